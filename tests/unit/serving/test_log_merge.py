"""Sealed files become one of an hour and one of a day; every row stays there once, whoever reads meanwhile."""

import asyncio
import random
import threading
from datetime import timedelta

import duckdb
import psutil
import pytest

from helicline.gateway.sealer_process import SealerProcess
from helicline.gateway.segment_profiles import merge_profiles
from helicline.monitor import profile
from helicline.serving.prediction_log import merge, profiles
from helicline.serving.prediction_log import read as predictions
from helicline.serving.prediction_log.files import listed
from helicline.serving.prediction_log.merge import Merger
from helicline.serving.prediction_log.seal import closed_segments
from helicline.serving.prediction_log.segment import Schema
from helicline.store import durable
from support.prediction_log import HOUR, NOON, SCHEMA, Log, call, id_of, outcome, rename_as_before
from support.wait import wait_for

MINUTE = timedelta(minutes=1)
DAY_AFTER = NOON + timedelta(days=1)


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path)


def levels(log, table="predictions"):
    return [file.name.level for file in listed(log.home, table, deployment="churn")]


def rows_of(log, table="predictions"):
    paths = [str(file.path) for file in listed(log.home, table, deployment="churn")]
    query = "SELECT * FROM read_parquet($paths, union_by_name = true, hive_partitioning = false) ORDER BY ALL"
    return duckdb.execute(query, {"paths": paths}).fetchall()


def fill(log, minutes, start=NOON, schema=SCHEMA):
    for minute in minutes:
        log.add(schema, call(start + minute * MINUTE, number=int(100 * minute)))


def merge_until_done(log, now):
    merger = Merger(log.home)
    while merger.run(now):
        pass
    return merger


def test_the_files_of_an_hour_become_one_when_it_is_over(log):
    fill(log, range(3))
    before = rows_of(log)
    assert Merger(log.home).run(NOON + 64 * MINUTE) == 0
    assert Merger(log.home).run(NOON + 65 * MINUTE) == 1
    assert levels(log) == ["h"]
    assert rows_of(log) == before


def test_many_files_are_merged_before_their_hour_is_over(log):
    fill(log, [number / 10 for number in range(70)])
    before = rows_of(log)
    Merger(log.home).run(NOON + 20 * MINUTE)
    assert levels(log) == ["m"]
    assert rows_of(log) == before


def test_files_of_the_last_minute_are_left_alone(log):
    fill(log, [number / 100 for number in range(70)])
    assert Merger(log.home).run(NOON + MINUTE / 2) == 0


def test_a_day_becomes_one_file_a_table(log):
    for hour in range(3):
        fill(log, range(2), start=NOON + hour * HOUR)
        log.add(outcome(NOON + hour * HOUR, id_of(NOON)), kind="labels")
    before, labels = rows_of(log), rows_of(log, "labels")
    merge_until_done(log, NOON + 4 * HOUR)
    assert levels(log) == ["h", "h", "h"]
    merge_until_done(log, DAY_AFTER)
    assert (levels(log), levels(log, "labels")) == (["d"], ["d"])
    assert (rows_of(log), rows_of(log, "labels")) == (before, labels)


def test_what_arrives_late_joins_its_hour(log):
    fill(log, range(2))
    merge_until_done(log, NOON + 2 * HOUR)
    fill(log, [30])
    merge_until_done(log, NOON + 2 * HOUR)
    assert levels(log) == ["h"]
    assert len(rows_of(log)) == 3


def test_a_day_that_is_done_is_looked_at_again_where_something_came_late(log):
    fill(log, range(2))
    merger = merge_until_done(log, DAY_AFTER)
    merger.run(DAY_AFTER + HOUR)
    fill(log, [30])
    assert merger.run(DAY_AFTER + HOUR) == 1
    assert (levels(log), len(rows_of(log))) == (["d"], 3)


def test_files_with_other_columns_keep_them(log):
    fill(log, range(2))
    fill(log, (10, 11), schema=Schema("churn", 1, (("f_a", "string"), ("f_z", "double"))))
    merge_until_done(log, DAY_AFTER)
    files = [str(file.path) for file in listed(log.home, "predictions", deployment="churn")]
    kinds = {duckdb.execute("SELECT typeof(f_a) FROM read_parquet($1)", [path]).fetchone()[0] for path in files}
    assert (len(files), kinds) == (2, {"DOUBLE", "VARCHAR"})


def test_files_of_earlier_versions_get_their_times(log):
    fill(log, range(2))
    fill(log, [5], start=NOON + 3 * HOUR)
    before = rows_of(log)
    for file in listed(log.home, "predictions", deployment="churn"):
        rename_as_before(file.path)
    merge_until_done(log, NOON + 5 * HOUR)
    files = listed(log.home, "predictions", deployment="churn")
    assert [(file.name.is_exact, file.begun_at) for file in files] == [
        (True, NOON),
        (True, NOON + 3 * HOUR + 5 * MINUTE),
    ]
    assert rows_of(log) == before


def test_a_prediction_is_found_with_its_labels_after_every_merge(log):
    ids = [id_of(NOON + minute * MINUTE, 100 * minute) for minute in range(5)]
    fill(log, range(5))
    log.add(call(NOON, "order-17"))
    for prediction_id in [*ids, "order-17"]:
        log.add(outcome(NOON + 2 * HOUR, prediction_id), kind="labels")
    for now in (NOON + 3 * HOUR, DAY_AFTER):
        merge_until_done(log, now)
        found_labels = [predictions.find(log.home, prediction_id)[0].labels for prediction_id in [*ids, "order-17"]]
        assert found_labels == [{"label": "1"}] * 6
    assert [file.name.has_untimed for file in listed(log.home, "predictions", deployment="churn")].count(True) == 1


def test_replaced_files_stay_for_those_who_read_them(log):
    fill(log, range(2))
    listed_before = listed(log.home, "predictions", deployment="churn")
    merger = merge_until_done(log, NOON + 2 * HOUR)
    assert all(file.path.is_file() for file in listed_before)
    merger.run(NOON + 2 * HOUR + merge.KEPT_FOR)
    (folder,) = {file.path.parent for file in listed_before}
    assert [path.name for path in folder.iterdir()] == [
        listed(log.home, "predictions", deployment="churn")[0].path.name
    ]


def test_what_two_merges_replaced_goes_in_one_go(log):
    fill(log, range(2))
    fill(log, range(2), start=NOON + HOUR)
    merge_until_done(log, NOON + 3 * HOUR)
    Merger(log.home).run(DAY_AFTER)
    Merger(log.home).run(DAY_AFTER + merge.KEPT_FOR)
    (file,) = listed(log.home, "predictions", deployment="churn")
    assert [path.name for path in file.path.parent.iterdir()] == [file.path.name]
    assert len(rows_of(log)) == 4


def test_a_segment_that_may_be_sealed_again_keeps_its_file(log):
    fill(log, [1, 2])
    log.write(SCHEMA, call(NOON))
    (segment,) = closed_segments(log.home / "log")
    content = segment.read_bytes()
    log.seal()
    segment.write_bytes(content)
    merger = merge_until_done(log, NOON + 2 * HOUR)
    merger.run(NOON + 3 * HOUR)
    log.seal()
    assert len(rows_of(log)) == 3
    assert sorted(levels(log)) == ["h", "s"]


def test_nothing_is_merged_while_a_backup_reads(log):
    fill(log, range(2))
    merger = Merger(log.home)
    with durable.lock(log.home / "tables" / durable.MERGE_LOCK, is_shared=True):
        assert merger.run(NOON + 2 * HOUR) == 0
    assert merger.run(NOON + 2 * HOUR) == 1


def test_files_that_would_be_too_large_together_stay_apart(log):
    fill(log, range(4))
    size = max(file.path.stat().st_size for file in listed(log.home, "predictions", deployment="churn"))
    assert Merger(log.home, max_bytes=size + size // 2).run(NOON + 2 * HOUR) == 0
    assert levels(log) == ["s"] * 4


def test_a_day_that_cannot_be_merged_is_said_and_does_not_stop_others(log, caplog):
    fill(log, range(2))
    fill(log, range(2), start=NOON + timedelta(days=2))
    listed(log.home, "predictions", deployment="churn")[0].path.write_bytes(b"not Parquet")
    merger = Merger(log.home)
    assert merger.run(NOON + timedelta(days=4)) == 1
    assert "cannot be merged" in caplog.text
    caplog.clear()
    merger.run(NOON + timedelta(days=4) + MINUTE)
    assert caplog.text == ""


def test_profiles_of_minutes_and_then_of_hours_are_kept(log):
    fill(log, [number / 4 for number in range(8)])
    fill(log, [70])
    for file in listed(log.home, "predictions", deployment="churn"):
        profiles.write(file.path, {1: encoded(1), 2: encoded(2)})
    merger = Merger(log.home, merge_profiles)
    merger.run(NOON + 3 * HOUR)
    assert counts(log, NOON, NOON + HOUR) == [4, 4]
    assert counts(log, NOON + MINUTE, NOON + HOUR) == [4]
    merger.run(DAY_AFTER)
    assert counts(log, NOON, NOON + HOUR) == [8]
    assert counts(log, NOON, NOON + HOUR, revision=2) == [16]


def encoded(count):
    return profile.encode(profile.Profile(row_count=count))


def counts(log, since, until, revision=1):
    parts = profiles.between(log.home, "churn", revision=revision, since=since, until=until)
    return [profile.decode(part).row_count for part in parts]


def test_readers_see_every_row_once_while_all_is_merged(log):
    """Merges of minutes, hours and days, and removals, one after another, beside a reader that never stops."""
    for hour in range(3):
        fill(log, range(8), start=NOON + hour * HOUR)
    done, counted = threading.Event(), set()

    def watch():
        while not done.is_set():
            rows = predictions.recent(log.home, "churn", 1000)
            counted.add((len(rows), len({row.prediction_id for row in rows})))

    reader = threading.Thread(target=watch)
    reader.start()
    merger = Merger(log.home)
    for now in (NOON + 4 * HOUR, NOON + 5 * HOUR, DAY_AFTER, DAY_AFTER + HOUR):
        merger.run(now)
    done.set()
    reader.join()
    assert counted == {(24, 24)}
    assert levels(log) == ["d"]


def test_the_sealer_merges_without_traffic(log):
    """The process of the gateway, woken by nothing but the time; the log is months old."""
    fill(log, range(2))
    sealer = SealerProcess(log.home, wake_s=0.05)

    async def run_until_merged():
        running = asyncio.create_task(sealer.run())
        await asyncio.to_thread(wait_for, lambda: levels(log) == ["d"], "the merge")
        running.cancel()
        await sealer.stop()

    before = rows_of(log)
    asyncio.run(run_until_merged())
    assert rows_of(log) == before


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_seals_and_merges_keeps_the_rows(log, seed):
    chance = random.Random(seed)
    now, written = NOON, []
    merger = Merger(log.home)
    for number in range(60):
        now += timedelta(minutes=chance.choice([0, 1, 7, 40, 400]))
        prediction_id = chance.choice([id_of(now, number), f"order-{number}"])
        log.add(SCHEMA, call(now, prediction_id, number=number))
        written.append(prediction_id)
        if chance.random() < 0.5:
            merger.run(now + timedelta(minutes=chance.choice([0, 70, 2000])))
        if chance.random() < 0.1:
            merger = Merger(log.home)
    merge_until_done(log, now + timedelta(days=3))
    assert sorted(row[0] for row in rows_of(log)) == sorted(written)
    assert [predictions.find(log.home, prediction_id)[0].prediction_id for prediction_id in written] == written


def test_a_sealer_that_does_not_end_holds_up_no_restart(log):
    """Callers wait for the next gateway, and that begins after this one; what is not sealed yet the next one seals."""
    sealer = SealerProcess(log.home)

    async def stop_a_suspended_one():
        running = asyncio.create_task(sealer.run())
        await asyncio.to_thread(wait_for, lambda: sealer.pid, "the process")
        process = psutil.Process(sealer.pid)
        process.suspend()
        running.cancel()
        async with asyncio.timeout(30):
            await sealer.stop()
        return process

    assert not asyncio.run(stop_a_suspended_one()).is_running()
