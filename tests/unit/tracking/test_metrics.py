"""Metric points: duplicates, the latest of a key, history."""

from __future__ import annotations

import math
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helicline import tracking
from helicline.errors import Invalid, NotFound
from helicline.ids import checked_metric_name
from helicline.records.run import MetricPoint
from helicline.store.database import Store
from helicline.store.rows.metric import METRIC_BLOCK, METRIC_TAIL
from helicline.tracking.errors import NotActive, ParamChanged

LENIENT = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
points = st.builds(
    MetricPoint,
    key=st.sampled_from(["a", "b/c"]),
    value=st.one_of(st.sampled_from([0.0, 1.0, -1.0, math.nan]), st.floats(allow_infinity=False)),
    timestamp_ms=st.integers(0, 3),
    step=st.integers(-2, 2),
)


def point(value: float, timestamp_ms: int = 1, step: int = 0, key: str = "m") -> MetricPoint:
    return MetricPoint(key=key, value=value, timestamp_ms=timestamp_ms, step=step)


def fresh_run(store: Store) -> str:
    return store.write(lambda tx: tracking.create_run(tx, "0")).run_id


def log(store: Store, run_id: str, *metrics: MetricPoint) -> None:
    store.write(lambda tx: tracking.log_batch(tx, run_id, metrics=metrics))


def history(store: Store, run_id: str, key: str) -> list[MetricPoint]:
    points, _ = store.read(lambda tx: tracking.metric_history(tx, run_id, key))
    rows = zip(points.timestamps_ms.tolist(), points.steps.tolist(), points.values.tolist(), strict=True)
    return [MetricPoint(key=key, timestamp_ms=at, step=step, value=value) for at, step, value in rows]


def latest(store: Store, run_id: str) -> dict[str, MetricPoint]:
    run = store.read(lambda tx: tracking.get_run(tx, run_id))
    return {metric.key: metric for metric in run.metrics}


def rank(metric: MetricPoint) -> tuple[int, int, float]:
    return (metric.step, metric.timestamp_ms, 0.0 if math.isnan(metric.value) else metric.value)


@LENIENT
@given(batches=st.lists(st.lists(points, max_size=6), max_size=4))
def test_the_latest_point_is_the_greatest_by_step_then_time_then_value(store: Store, batches):
    run_id = fresh_run(store)
    for batch in batches:
        log(store, run_id, *batch)
    latest_points = latest(store, run_id)
    for key in {metric.key for batch in batches for metric in batch}:
        best = max(rank(metric) for batch in batches for metric in batch if metric.key == key)
        assert rank(latest_points[key]) == best


@LENIENT
@given(batch=st.lists(points, max_size=8))
def test_exact_duplicates_are_kept_once_however_often_they_come(store: Store, batch):
    run_id = fresh_run(store)
    log(store, run_id, *batch)
    log(store, run_id, *batch, *batch)
    for key in ("a", "b/c"):
        stored = history(store, run_id, key)
        distinct = {(*rank(metric), math.isnan(metric.value)) for metric in batch if metric.key == key}
        assert {(*rank(metric), math.isnan(metric.value)) for metric in stored} == distinct
        assert len(stored) == len(distinct)


def test_infinities_are_kept_as_the_largest_finite_numbers(store: Store):
    run_id = fresh_run(store)
    log(store, run_id, point(math.inf, step=1), point(-math.inf, key="low"))
    assert latest(store, run_id)["m"].value == pytest.approx(1.7976931348623157e308)
    assert latest(store, run_id)["low"].value == pytest.approx(-1.7976931348623157e308)


def test_history_is_ordered_by_time_then_step_then_value(store: Store):
    run_id = fresh_run(store)
    log(store, run_id, point(3, 2, 0), point(1, 1, 5), point(2, 1, 4), point(1, 1, 4))
    points = history(store, run_id, "m")
    assert [(p.timestamp_ms, p.step, p.value) for p in points] == [(1, 4, 1), (1, 4, 2), (1, 5, 1), (2, 0, 3)]


def test_a_batch_with_one_bad_thing_keeps_nothing(store: Store):
    run_id = fresh_run(store)
    store.write(lambda tx: tracking.log_batch(tx, run_id, params={"lr": "1"}))
    with pytest.raises(ParamChanged, match="Changing param values is not allowed"):
        store.write(
            lambda tx: tracking.log_batch(
                tx, run_id, metrics=[point(1)], params={"new": "x", "lr": "2"}, tags={"t": "v"}
            )
        )
    run = store.read(lambda tx: tracking.get_run(tx, run_id))
    assert (run.metrics, run.params, run.tags.get("t")) == ((), {"lr": "1"}, None)


def test_the_same_parameter_again_is_fine(store: Store):
    run_id = fresh_run(store)
    for _ in range(2):
        store.write(lambda tx: tracking.log_batch(tx, run_id, params={"lr": "1"}))
    assert store.read(lambda tx: tracking.get_run(tx, run_id)).params == {"lr": "1"}


@pytest.mark.parametrize("key", ["", "../x", "/x", "a//b", ".", "a\0b", "a#b", "k" * 251, "a/./b"])
def test_a_metric_name_that_is_no_plain_path_is_refused(store: Store, key: str):
    run_id = fresh_run(store)
    with pytest.raises(Invalid):
        log(store, run_id, point(1, key=key))


@pytest.mark.parametrize("change", [{"timestamp_ms": -1}, {"timestamp_ms": 2**63}, {"step": 2**63}])
def test_a_number_that_fits_no_column_is_refused(store: Store, change):
    run_id = fresh_run(store)
    with pytest.raises(Invalid):
        log(store, run_id, MetricPoint(**({"key": "m", "value": 1.0, "timestamp_ms": 1} | change)))


def test_nothing_is_logged_to_a_deleted_run(store: Store):
    run_id = fresh_run(store)
    store.write(lambda tx: tracking.run.delete_run(tx, run_id))
    with pytest.raises(NotActive, match="must be in the 'active' state"):
        log(store, run_id, point(1))


def test_many_writers_at_once_leave_one_latest_point(store: Store):
    run_id = fresh_run(store)
    futures = [
        store.submit(lambda tx, n=n: tracking.log_batch(tx, run_id, metrics=[point(n, step=n % 7), point(n, key="z")]))
        for n in range(60)
    ]
    for future in futures:
        future.result(timeout=30)
    assert latest(store, run_id)["m"].value == 55
    assert latest(store, run_id)["z"].value == 59


def test_a_run_made_again_under_its_id_is_the_same_run(store: Store):
    new_id = uuid.uuid4().hex
    first = store.write(lambda tx: tracking.create_run(tx, "0", run_id=new_id, name="one"))
    again = store.write(lambda tx: tracking.create_run(tx, "0", run_id=new_id, name="two"))
    assert (again.run_id, again.name) == (first.run_id, "one")


def test_runs_made_at_once_all_come_to_be(store: Store):
    futures = [store.submit(lambda tx: tracking.create_run(tx, "0")) for _ in range(20)]
    assert len({future.result(timeout=30).run_id for future in futures}) == 20


def gathered(store: Store, run_id: str, metrics: list[MetricPoint], size: int) -> None:
    futures = [
        store.gather(tracking.log_metrics, (run_id, metrics[start : start + size]))
        for start in range(0, len(metrics), size)
    ]
    for future in futures:
        future.result(60)


def rows_and_blocks(store: Store) -> tuple[int, int]:
    def count(tx):
        return tuple(
            tx.execute(sa.select(sa.func.count()).select_from(t)).scalar_one() for t in (METRIC_TAIL, METRIC_BLOCK)
        )

    return store.read(count)


def test_a_long_series_is_packed_and_read_as_one(store: Store):
    run_id = fresh_run(store)
    series = [point(math.sin(at), timestamp_ms=at // 3, step=at) for at in range(5000)]
    gathered(store, run_id, series, 1)
    gathered(store, run_id, series[:500], 1)  # a client that tries again
    rows, blocks = rows_and_blocks(store)
    assert rows < 1100
    assert blocks >= 1
    assert history(store, run_id, "m") == series


def test_many_keys_are_packed_by_series_and_each_is_read_whole(store: Store):
    run_id = fresh_run(store)
    keys = [f"k{number}" for number in range(500)]
    for step in range(100):
        log(
            store,
            run_id,
            *(point(step + at / 1000, timestamp_ms=step, step=step, key=key) for at, key in enumerate(keys)),
        )
    tails, blocks = rows_and_blocks(store)
    assert tails < 10
    assert blocks >= 500
    for at in (0, 1, 250, 499):
        assert [point.value for point in history(store, run_id, keys[at])] == [step + at / 1000 for step in range(100)]
    assert latest(store, run_id)["k499"].step == 99


def test_writers_of_one_run_lose_nothing_while_its_tail_is_packed(store: Store):
    run_id = fresh_run(store)

    def write(writer: int) -> None:
        for step in range(80):
            log(store, run_id, *(point(step, timestamp_ms=step, step=step, key=f"w{writer}-{at}") for at in range(20)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert rows_and_blocks(store)[1] > 0
    for writer in range(8):
        assert [point.step for point in history(store, run_id, f"w{writer}-7")] == list(range(80))


def test_many_points_at_once_become_a_block(store: Store):
    run_id = fresh_run(store)
    series = [point(at / 7, timestamp_ms=at, step=at) for at in range(20_000)]
    gathered(store, run_id, series, 1000)
    gathered(store, run_id, series[3000:4000], 1000)
    rows, blocks = rows_and_blocks(store)
    assert (rows, blocks < 20) == (0, True)
    assert history(store, run_id, "m") == series
    assert latest(store, run_id)["m"] == series[-1]


def test_points_of_runs_that_are_not_there_or_deleted_are_refused_alone(store: Store):
    good, deleted = fresh_run(store), fresh_run(store)
    store.write(lambda tx: tracking.delete_run(tx, deleted))
    futures = [store.gather(tracking.log_metrics, (run, [point(1)])) for run in (good, "nothere", deleted, good)]
    assert [type(future.exception(10)) for future in futures] == [type(None), NotFound, NotActive, type(None)]
    assert len(history(store, good, "m")) == 1


@LENIENT
@given(
    batches=st.lists(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), min_size=1, max_size=80), max_size=4),
    size=st.integers(1, 40),
)
def test_pages_give_the_whole_series_whatever_comes_in_between(store: Store, batches, size):
    run_id = fresh_run(store)
    for batch in batches:
        log(store, run_id, *(point(1, at, step) for at, step in batch))
    complete, paged, token = history(store, run_id, "m"), [], ""
    while True:
        points, token = store.read(
            lambda tx, t=token: tracking.metric_history(tx, run_id, "m", limit=size, page_token=t)
        )
        paged += zip(points.timestamps_ms.tolist(), points.steps.tolist(), strict=True)
        assert points.total <= size
        if not token:
            break
        log(store, run_id, point(1, 0, -1))  # before the page that is next: no page moves
    assert [pair for pair in paged if pair[1] >= 0] == [(p.timestamp_ms, p.step) for p in complete]


def test_a_page_token_of_another_kind_is_refused(store: Store):
    run_id = fresh_run(store)
    log(store, run_id, point(1))
    with pytest.raises(Invalid, match="page_token"):
        store.read(lambda tx: tracking.metric_history(tx, run_id, "m", limit=5, page_token="eyJvIjogMX0="))


@pytest.mark.parametrize("name", ["recall@10", "val/auc", "f1.macro", "p99:ms", "log loss", "a-b_c", "@", "ndcg@k/é"])
def test_names_of_our_own_api_may_hold_an_at_sign(store, name):
    run_id = fresh_run(store)
    store.write(lambda tx: tracking.log_batch(tx, run_id, metrics=[point(1.0, key=name)], params={name: "1"}))
    run = store.read(lambda tx: tracking.get_run(tx, run_id))
    assert ([logged.key for logged in run.metrics], run.params) == ([name], {name: "1"})


@pytest.mark.parametrize("name", ["", ".", "a//b", "/a", "../a", "a/../b", "a#b", "a\nb", "x" * 251, "a*"])
def test_a_name_that_is_no_path_is_refused(store, name):
    run_id = fresh_run(store)
    for logged in ({"metrics": [point(1.0, key=name)]}, {"params": {name: "1"}}):
        with pytest.raises(Invalid):
            store.write(lambda tx, logged=logged: tracking.log_batch(tx, run_id, **logged))
    with pytest.raises(Invalid):
        checked_metric_name("metric", name)
