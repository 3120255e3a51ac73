import json
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import pytest

from helicline.gateway.worker import log as worker_log
from helicline.ids import new_prediction_id
from helicline.serving.prediction_log import harvest
from helicline.serving.prediction_log import read as predictions
from helicline.serving.prediction_log.columns import batches
from helicline.serving.prediction_log.files import segments
from helicline.serving.prediction_log.seal import closed_segments
from helicline.serving.prediction_log.segment import Schema, SegmentWriter, close_leftovers, framed
from support.prediction_log import NOW, SCHEMA, Log, label, line, packed


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path)


def test_a_prediction_is_found_with_typed_features_and_its_outcome(log):
    prediction_id = new_prediction_id()
    log.add(SCHEMA, line(prediction_id, packed([[1.5, 3]], [0.25])), line(new_prediction_id(), packed([[9, 9]], [1.0])))
    (row,) = predictions.find(log.home, prediction_id)
    assert (row.features, row.prediction, row.model_version) == ({"a": 1.5, "n": 3}, "0.25", 7)
    assert abs(row.at - NOW) < timedelta(milliseconds=1)


def test_every_row_of_a_call_has_its_number_and_score(log):
    prediction_id = new_prediction_id()
    log.add(SCHEMA, line(prediction_id, packed([[1, 2], [3, 4], [5, 6]], [7, 8, 9])))
    assert [(row.row, row.prediction, row.features["n"]) for row in predictions.find(log.home, prediction_id)] == [
        (0, "7", 2),
        (1, "8", 4),
        (2, "9", 6),
    ]


def test_text_outputs_have_no_score(log):
    listed = worker_log.pack([["x", 1]], np.array(["leave"], dtype=object), row_count=1)
    log.add(Schema("churn", 1, (("f_plan", "string"), ("f_age", "long"))), line("id-1", listed))
    (path,) = segments(log.home, "churn")
    assert duckdb.sql(f"SELECT f_plan, f_age, prediction, score FROM '{path}'").fetchall() == [("x", 1, "leave", None)]


def test_a_failed_call_is_a_row_without_features(log):
    log.add(SCHEMA, line("failed", status=500, fallback_reason="error", variant="candidate"))
    (row,) = predictions.find(log.home, "failed")
    assert (row.status, row.prediction, row.features) == (500, "", {"a": None, "n": None})


def test_sealing_twice_makes_the_same_rows_once(log):
    log.write(SCHEMA, line("one", packed([[1, 2]], [1])))
    (segment,) = closed_segments(log.home / "log")
    sealed_bytes = segment.read_bytes()
    log.seal()
    segment.write_bytes(sealed_bytes)
    log.seal()
    assert len(predictions.recent(log.home, "churn", 10)) == 1


def test_a_torn_last_record_loses_only_itself(log):
    log.write(SCHEMA, line("whole", packed([[1, 2]], [1])), line("torn", packed([[1, 2]], [1])))
    (segment,) = closed_segments(log.home / "log")
    segment.write_bytes(segment.read_bytes()[:-3])
    log.seal()
    assert [row.prediction_id for row in predictions.recent(log.home, "churn", 10)] == ["whole"]


def test_segments_left_open_by_a_killed_process_are_closed_and_sealed(log):
    writer = SegmentWriter(log.home / "log", "predictions")
    writer.append(framed(line("left", packed([[1, 2]], [1]))))
    writer.flush()
    assert close_leftovers(log.home / "log") == 1
    log.seal()
    assert len(predictions.find(log.home, "left")) == 1


def test_revisions_with_other_features_are_read_together(log):
    log.add(SCHEMA, line("old", packed([[1, 2]], [1])))
    changed = Schema("churn", 2, (("f_a", "string"), ("f_extra", "double")))
    log.add(changed, line("new", worker_log.pack([["x", 2.5]], np.array([1]), row_count=1), revision=2, served_by=2))
    features = {row.prediction_id: row.features for row in predictions.recent(log.home, "churn", 10)}
    assert features["new"]["extra"] == 2.5
    assert features["old"]["n"] == 2


def test_two_sets_of_features_in_one_segment_become_two_files(log):
    other = Schema("churn", 2, (("f_z", "double"),))
    new = line("new", packed([[4]], [1]), revision=2, served_by=2)
    log.add(SCHEMA, line("old", packed([[1, 2]], [1])), other, new)
    assert len(segments(log.home, "churn")) == 2


def test_the_last_label_of_a_row_wins(log):
    prediction_id = new_prediction_id()
    log.add(SCHEMA, line(prediction_id, packed([[1, 2]], [1])))
    log.add(label(prediction_id, "0", at=1), label(prediction_id, "1", at=2), kind="labels")
    rows = predictions.labelled(log.home, "churn", since=NOW - timedelta(hours=1))
    assert (rows["label"].tolist(), rows["prediction"].tolist(), rows["revision"].tolist()) == (
        ["1"],
        ["1"],
        [1],
    )
    assert predictions.find(log.home, prediction_id)[0].labels == {"label": "1"}


def test_a_label_without_a_known_deployment_still_joins(log):
    prediction_id = new_prediction_id()
    log.add(SCHEMA, line(prediction_id, packed([[1, 2]], [1])))
    log.add(label(prediction_id, "1", deployment="_unknown"), kind="labels")
    assert len(predictions.labelled(log.home, "churn", since=NOW - timedelta(hours=1))["label"]) == 1


def test_labels_of_failed_calls_and_other_names_and_times_are_left_out(log):
    ids = [new_prediction_id() for _ in range(3)]
    log.add(
        SCHEMA,
        line(ids[0], status=500),
        line(ids[1], packed([[1, 2]], [1])),
        line(ids[2], packed([[1, 2]], [1])),
    )
    log.add(label(ids[0], "1"), label(ids[1], "1", name="other"), label(ids[2], "1"), kind="labels")
    hour = timedelta(hours=1)
    assert len(predictions.labelled(log.home, "churn", since=NOW - hour)["label"]) == 1
    assert len(predictions.labelled(log.home, "churn", since=NOW - hour, until=NOW - hour / 2)["label"]) == 0


def test_nothing_logged_reads_as_nothing(tmp_path):
    assert predictions.find(tmp_path, new_prediction_id()) == []
    assert predictions.recent(tmp_path, "churn", 5) == []
    assert segments(tmp_path, "churn") == []
    assert predictions.labelled(tmp_path, "churn", since=NOW)["label"].tolist() == []


def test_an_id_with_a_quote_is_only_text(log):
    log.add(SCHEMA, line("a'b", packed([[1, 2]], [1])))
    assert len(predictions.find(log.home, "a'b")) == 1


def test_the_hook_gets_the_columns_of_each_sealed_file_of_predictions(log):
    log.add(SCHEMA, line("one", packed([[1.5, 3]], [1])))
    log.add(label("one", "1"), kind="labels")
    ((path, columns),) = log.sealed
    assert path.is_file()
    assert columns["f_a"].tolist() == [1.5]


def test_segments_since_a_moment_leave_older_ones_out(log):
    log.add(SCHEMA, line("one", packed([[1, 2]], [1])))
    assert segments(log.home, "churn", datetime.now(UTC) + timedelta(minutes=5)) == []
    assert len(segments(log.home, "churn", NOW - timedelta(minutes=5))) == 1


HOSTILE = (
    'a"b',
    "x\" FROM read_text('/etc/hostname') --",
    "it's; DROP TABLE latest",
    "back\\slash",
    "line\nbreak",
    "nul\0byte",
    "ünï–✓",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_inputs_and_labels_are_only_ever_names_in_sql(log, tmp_path, name):
    prediction_id = new_prediction_id()
    log.add(Schema("churn", 1, ((f"f_{name}", "double"),)), line(prediction_id, packed([[1.5]], [0.25])))
    log.add(label(prediction_id, "1", name=name), kind="feedback")
    column = name.replace("\0", "\u2400")
    assert harvest.write(log.home, "churn", tmp_path / "rows.parquet", label=name).rows == 1
    assert harvest_columns(tmp_path / "rows.parquet")[0] == column
    (row,) = predictions.find(log.home, prediction_id)
    assert (row.features, row.labels) == ({column: 1.5}, {name: "1"})


def test_times_are_harvested_as_times(log, tmp_path):
    """Text in their place joined no table of times: the judge of the next version refused the column."""
    moment = pd.Timestamp("2026-05-31 08:30:00")
    cells = [str(moment), str(moment.tz_localize("Europe/Berlin")), None, "2026-05-31T08:30:00.5"]
    rows = worker_log.pack([[cell, 1] for cell in cells], np.zeros(4), row_count=4)
    prediction_id = new_prediction_id()
    log.add(Schema("churn", 1, (("f_signup", "datetime"), ("f_n", "long"))), line(prediction_id, rows, batch_rows=4))
    log.add(*(label(prediction_id, "1", row=row) for row in range(4)), kind="feedback")
    target = tmp_path / "rows.parquet"
    assert harvest.write(log.home, "churn", target, label="label").rows == 4
    expected = [moment, moment - timedelta(hours=2), None, moment + timedelta(milliseconds=500)]
    assert [row[0] for row in duckdb.sql(f"SELECT signup FROM '{target}'").fetchall()] == expected
    table = tmp_path / "history.parquet"
    pd.DataFrame({"signup": pd.to_datetime(["2025-01-01"]), "n": [1], "label": [1]}).to_parquet(table)
    united = duckdb.sql(f"SELECT signup FROM read_parquet(['{table}', '{target}'], union_by_name = true)").df()
    assert united["signup"].dtype.kind == "M"


def harvest_columns(path):
    return duckdb.connect().read_parquet(str(path)).columns


def test_features_of_all_forms_meet_in_one_batch():
    lines = [
        line("a", packed([[1.0, 2.0], [3.0, 4.0]], [0.5, 0.5])),
        line("b", worker_log.pack([["5", None]], np.array([0.5]), row_count=1)),
        line("c", worker_log.pack(None, np.array([0.5]), row_count=1)),
        line("d", status=504),
    ]
    features = (("f_a", "double"), ("f_b", "string"))
    (batch,) = batches([Schema("churn", 1, features), *lines])
    assert batch.columns["f_a"].tolist() == [1.0, 3.0, 5.0, None, None]
    assert batch.columns["f_b"].tolist() == ["2.0", "4.0", None, None, None]


def test_features_of_one_form_keep_their_types():
    lines = [line(str(n), packed([[n, n + 1.0]], [0.5])) for n in range(3)]
    (batch,) = batches([Schema("churn", 1, (("f_a", "long"), ("f_b", "double"))), *lines])
    assert (batch.columns["f_a"].dtype.kind, batch.columns["f_a"].tolist()) == ("i", [0, 1, 2])
    assert batch.columns["f_b"].tolist() == [1.0, 2.0, 3.0]


def test_lines_without_feature_columns_have_none():
    (batch,) = batches([line("a")])
    assert not [name for name in batch.columns if name.startswith("f_")]


def test_each_line_is_decoded_once_whatever_the_number_of_columns(monkeypatch):
    decoded = []
    loads = json.loads
    monkeypatch.setattr(json, "loads", lambda text: decoded.append(text) or loads(text))
    rows = worker_log.pack([[float(n) for n in range(30)]], np.array([0.5]), row_count=1)
    (batch,) = batches([Schema("churn", 1, tuple((f"f_{n}", "double") for n in range(30))), line("a", rows)])
    assert len(decoded) == 1
    assert [batch.columns[f"f_{n}"].tolist() for n in range(30)] == [[float(n)] for n in range(30)]
