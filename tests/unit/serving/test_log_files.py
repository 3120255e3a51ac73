"""Files of the log by the times in their names: what a question does not need is not opened."""

import os
from datetime import timedelta

import numpy as np
import pytest

from helicline.gateway.log_sealer import seal_all
from helicline.serving.prediction_log import harvest, names, profiles
from helicline.serving.prediction_log import read as predictions
from helicline.serving.prediction_log.files import listed, segments
from helicline.serving.prediction_log.seal import closed_segments
from support.prediction_log import (
    HOUR,
    NOON,
    SCHEMA,
    Log,
    call,
    id_of,
    line,
    micros,
    outcome,
    packed,
    rename_as_before,
    spoil,
)


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path)


def test_the_name_of_a_file_tells_its_times(log):
    log.add(SCHEMA, call(NOON), call(NOON + HOUR, number=1))
    (file,) = listed(log.home, "predictions", deployment="churn")
    assert (file.begun_at, names.moment_of(file.name.last)) == (NOON, NOON + HOUR)
    assert names.parsed(file.path.name, day="2026-03-04") == file.name
    assert not file.name.has_untimed


def test_files_are_listed_by_the_time_of_their_rows(log):
    for hour in range(4):
        log.add(SCHEMA, call(NOON + hour * HOUR))
    between = listed(log.home, "predictions", deployment="*", since=NOON + HOUR, until=NOON + 2 * HOUR)
    assert [file.begun_at for file in between] == [NOON + HOUR, NOON + 2 * HOUR]
    assert len(listed(log.home, "predictions", deployment="churn", since=NOON + 4 * HOUR)) == 0


def test_a_prediction_is_looked_for_in_its_file_only(log):
    for hour in range(6):
        log.add(SCHEMA, call(NOON + hour * HOUR))
    spoil(path for number, path in enumerate(segments(log.home, "churn")) if number != 3)
    (row,) = predictions.find(log.home, id_of(NOON + 3 * HOUR))
    assert row.at == NOON + 3 * HOUR


def test_an_id_that_the_client_chose_is_looked_for_where_such_ids_are(log):
    log.add(SCHEMA, call(NOON))
    log.add(SCHEMA, call(NOON + HOUR, "order-17"))
    spoil(segments(log.home, "churn")[:1])
    assert len(predictions.find(log.home, "order-17")) == 1


@pytest.mark.parametrize("away", [timedelta(hours=-20), timedelta(hours=20)])
def test_an_id_with_the_time_of_another_clock_is_found(log, away):
    prediction_id = id_of(NOON + away)
    log.add(SCHEMA, call(NOON, prediction_id))
    assert len(predictions.find(log.home, prediction_id)) == 1


@pytest.mark.parametrize("prediction_id", ["ffffffff-ffff-7fff-bfff-ffffffffffff", "{}", "0" * 32, ""])
def test_an_id_with_an_impossible_time_is_an_id_like_others(log, prediction_id):
    assert predictions.find(log.home, prediction_id) == []
    log.add(SCHEMA, call(NOON, prediction_id or "x"))
    assert len(predictions.find(log.home, prediction_id or "x")) == 1


def test_labels_are_looked_for_in_the_files_of_their_predictions(log):
    for hour in range(3):
        log.add(SCHEMA, call(NOON + hour * HOUR))
        log.add(outcome(NOON + (hour + 30) * HOUR, id_of(NOON + hour * HOUR), str(hour)), kind="labels")
    files = listed(log.home, "labels", deployment="churn")
    spoil(file.path for file in files if file.name.first_id != names.text_of(NOON + HOUR))
    assert predictions.find(log.home, id_of(NOON + HOUR))[0].labels == {"label": "1"}


def test_a_harvest_reads_the_files_of_its_labels(log, tmp_path):
    for hour in range(3):
        log.add(SCHEMA, call(NOON + hour * HOUR, number=hour))
    log.add(outcome(NOON + 20 * HOUR, id_of(NOON + HOUR, 1)), kind="labels")
    spoil([segments(log.home, "churn")[0], segments(log.home, "churn")[2]])
    assert harvest.write(log.home, "churn", tmp_path / "rows.parquet", label="label").rows == 1


def test_the_latest_rows_are_read_from_the_newest_files(log):
    for minute in range(20):
        log.add(SCHEMA, call(NOON + timedelta(minutes=minute), number=minute))
    spoil(segments(log.home, "churn")[:4])
    latest = predictions.recent(log.home, "churn", 10)
    assert [row.features["n"] for row in latest] == list(range(19, 9, -1))


def test_the_latest_rows_are_the_latest_where_files_overlap(log):
    """The newest file has one row; the one that ends last but one has the next three."""
    log.add(SCHEMA, *(call(NOON + timedelta(minutes=minute), number=minute) for minute in (0, 56, 57, 58)))
    for minute in (59, 50, 51, 52, 53):
        log.add(SCHEMA, call(NOON + timedelta(minutes=minute), number=minute))
    assert [row.features["n"] for row in predictions.recent(log.home, "churn", 5)] == [59, 58, 57, 56, 53]


def test_files_that_earlier_versions_named_are_read(log):
    ids = [id_of(NOON + minute * timedelta(minutes=20)) for minute in range(3)]
    for minute, prediction_id in enumerate(ids):
        log.add(SCHEMA, call(NOON + minute * timedelta(minutes=20), prediction_id))
        log.add(outcome(NOON + 2 * HOUR, prediction_id), kind="labels")
    profiles.write(segments(log.home, "churn")[0], {1: b"profile"})
    for path in [*segments(log.home, "churn"), *(f.path for f in listed(log.home, "labels", deployment="churn"))]:
        rename_as_before(path)
    assert [predictions.find(log.home, prediction_id)[0].labels for prediction_id in ids] == [{"label": "1"}] * 3
    assert len(predictions.labelled(log.home, "churn", since=NOON)["label"]) == 3
    assert len(predictions.recent(log.home, "churn", 10)) == 3
    assert profiles.between(log.home, "churn", revision=1, since=NOON, until=NOON + HOUR) == [b"profile"]


def test_a_client_id_is_found_in_a_file_that_an_earlier_version_named(log):
    log.add(SCHEMA, call(NOON, "order-17"))
    log.add(SCHEMA, call(NOON + HOUR, id_of(NOON - 20 * HOUR)))
    for path in segments(log.home, "churn"):
        rename_as_before(path)
    assert len(predictions.find(log.home, "order-17")) == 1
    assert len(predictions.find(log.home, id_of(NOON - 20 * HOUR))) == 1


def test_a_segment_that_an_earlier_version_had_sealed_and_not_removed_is_there_once(log):
    log.write(SCHEMA, call(NOON))
    (segment,) = closed_segments(log.home / "log")
    content, segment_id = segment.read_bytes(), segment.stem.partition("-")[2]
    log.seal()
    (path,) = segments(log.home, "churn")
    path.rename(path.with_name(f"{segment_id}.parquet"))
    segment.write_bytes(content)
    log.seal()
    assert len(predictions.recent(log.home, "churn", 10)) == 1


def test_calls_without_rows_make_no_file(log):
    empty = packed(np.empty((0, 2)), np.empty(0))
    log.add(SCHEMA, line(id_of(NOON), empty, ts_us=micros(NOON)))
    assert segments(log.home, "churn") == []
    assert list((log.home / "log").iterdir()) == []


def test_a_segment_whose_file_cannot_be_written_stays_for_the_next_time(log):
    """A full disk is an error of DuckDB's own while it writes; here a folder lies where it would write."""
    log.write(SCHEMA, call(NOON))
    (segment,) = closed_segments(log.home / "log")
    content = segment.read_bytes()
    log.seal()
    (path,) = segments(log.home, "churn")
    path.unlink()
    segment.write_bytes(content)
    obstacle = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    obstacle.mkdir()
    assert seal_all(log.home) == 0
    obstacle.rmdir()
    assert seal_all(log.home) == 1
    assert segments(log.home, "churn") == [path]


def test_other_files_in_the_folders_are_no_part_of_the_log(log):
    log.add(SCHEMA, call(NOON))
    (path,) = segments(log.home, "churn")
    for name in ("notes.txt", ".hidden.parquet", "other.parquet"):
        path.with_name(name).write_text("x")
    assert segments(log.home, "churn") == [path]


def test_a_reader_lists_again_where_a_file_went_meanwhile(log):
    log.add(SCHEMA, call(NOON))
    (path,) = segments(log.home, "churn")
    reads = []

    @predictions.again_when_merged
    def read():
        reads.append(segments(log.home, "churn"))
        if len(reads) == 1:
            path.rename(path.with_name(path.name.replace("_s_", "_h_")))
        return predictions.sql.fetch(f"SELECT * FROM {predictions.sql.parquet(reads[-1])}")

    assert len(read()["prediction_id"]) == 1
    assert len(reads) == 2
