"""The runs table, its keys and groups, and the lines of charts, on both databases."""

from __future__ import annotations

import math

import pytest

from helicline import tracking
from helicline.clock import from_epoch_ms
from helicline.errors import Invalid, NotFound
from helicline.records.run import MetricPoint
from helicline.store.database import Store
from helicline.store.rows.block import Points, points_of
from helicline.tracking import browse
from helicline.tracking.browse.series import Window, line_of, lines

LOSS = [0.4, None, 0.1, math.nan, 0.4, 0.2, None, 0.3, math.nan, 0.1]
LETTERS = "abcdefghij"


@pytest.fixture
def filled(store: Store) -> Store:
    def unit(tx) -> None:
        for at, loss in enumerate(LOSS):
            run = tracking.create_run(tx, "0", name=LETTERS[at], start_time=from_epoch_ms(1000 + at // 2))
            points = [] if loss is None else [MetricPoint(key="loss", value=loss, timestamp_ms=1)]
            params = {"model": "tree" if at % 3 else "linear", "seed": "1"} | ({"x.y": "z"} if at == 4 else {})
            tracking.log_batch(tx, run.run_id, metrics=points, params=params)

    store.write(unit)
    return store


def names(rows) -> str:
    return "".join(row.name for row in rows)


def test_an_experiment_is_meant_by_its_id_or_its_name(filled: Store):
    experiment = filled.write(lambda tx: tracking.create_experiment(tx, "by name"))
    filled.write(lambda tx: tracking.create_run(tx, experiment.experiment_id, name="other"))
    for reference, expected in (("by name", "other"), (experiment.experiment_id, "other"), ("0", LETTERS)):
        rows, _ = filled.read(lambda tx, reference=reference: browse.rows(tx, browse.Query(experiment=reference)))
        assert sorted(names(rows)) == sorted(expected)
    with pytest.raises(NotFound):
        filled.read(lambda tx: browse.rows(tx, browse.Query(experiment="none such")))


def walked(store: Store, query: browse.Query, limit: int) -> str:
    walked_names, mark = "", ""
    while True:
        rows, mark = store.read(lambda tx, mark=mark: browse.rows(tx, query, after=mark, limit=limit))
        walked_names += names(rows)
        if not mark:
            return walked_names


ORDERS = [
    "metrics.loss", "metrics.loss DESC", "params.model DESC", "params.`x.y`", "attributes.end_time",
    "attributes.start_time", "attributes.start_time DESC", "attributes.run_name DESC", "tags.nothing",
]  # fmt: skip


@pytest.mark.parametrize("order", ORDERS)
def test_pages_of_any_size_hold_every_run_once_in_the_order_of_the_search(filled: Store, order: str):
    query = browse.Query(order_by=(order,))
    all_names = names(filled.read(lambda tx: tracking.search_runs(tx, ["0"], order_by=[order]))[0])
    assert {walked(filled, query, limit) for limit in (1, 3, 4, 100)} == {all_names}
    assert sorted(all_names) == list(LETTERS)


@pytest.mark.parametrize("order", ORDERS)
def test_a_page_token_begins_the_page_that_walking_comes_to(filled: Store, order: str):
    query = browse.Query(order_by=(order,), experiment="0")
    all_names = walked(filled, query, 100)
    total, marks = filled.read(lambda tx: browse.page_tokens(tx, query, every=10))
    assert (total, len(marks)) == (10, 1)
    rows, following = filled.read(lambda tx: browse.rows(tx, query, after=marks[0], limit=4))
    assert names(rows) == all_names[:4]
    assert names(filled.read(lambda tx: browse.rows(tx, query, after=following))[0]) == all_names[4:]


def test_a_run_that_is_added_before_a_page_neither_repeats_nor_skips_one(filled: Store):
    query = browse.Query(order_by=("attributes.start_time DESC",))
    first, token = filled.read(lambda tx: browse.rows(tx, query, limit=4))
    filled.write(lambda tx: tracking.create_run(tx, "0", name="new", start_time=from_epoch_ms(9000)))
    later, _ = filled.read(lambda tx: browse.rows(tx, query, after=token))
    assert sorted(names(first) + names(later)) == list(LETTERS)


def test_a_page_holds_the_values_of_its_columns_and_tells_nan_from_missing(filled: Store):
    query = browse.Query(order_by=("attributes.run_name",))
    columns = ["metrics.loss", "params.model", "params.x.y", "tags.mlflow.runName"]
    rows, _ = filled.read(lambda tx: browse.rows(tx, query, columns=columns, limit=5))
    assert rows[0].values == (0.4, "linear", None, "a")
    assert rows[1].values == (None, "tree", None, "b")
    assert (rows[3].values[0], rows[4].values[2]) == ("NaN", "z")


@pytest.mark.parametrize("token", ["x", "W10=", "é", "W1siYSJdLFsxLDJdXQ==", "W1tdLFsxZTk5OSwieCJdXQ=="])
def test_a_page_token_that_we_never_gave_is_refused(filled: Store, token: str):
    query = browse.Query(order_by=("metrics.loss",))
    with pytest.raises(Invalid, match="after"):
        filled.read(lambda tx: browse.rows(tx, query, after=token))


def test_a_page_token_of_another_order_is_refused(filled: Store):
    _, token = filled.read(lambda tx: browse.rows(tx, browse.Query(order_by=("metrics.loss",)), limit=2))
    with pytest.raises(Invalid, match="after"):
        filled.read(lambda tx: browse.rows(tx, browse.Query(order_by=("metrics.auc",)), after=token))


@pytest.mark.parametrize("column", ["loss", "metrics.", "datasets.name", "attributes.status", ""])
def test_a_column_that_cannot_be_is_named(filled: Store, column: str):
    with pytest.raises(Invalid, match="column"):
        filled.read(lambda tx: browse.rows(tx, browse.Query(), columns=[column]))


def test_keys_tell_what_runs_differ_in(filled: Store):
    key_table = {(key.entity, key.name): key for key in filled.read(lambda tx: browse.keys(tx, browse.Query()))}
    assert (key_table["metric", "loss"].seen_count, key_table["metric", "loss"].varies) == (8, True)
    assert (key_table["param", "seed"].seen_count, key_table["param", "seed"].varies) == (10, False)
    assert key_table["param", "x.y"].varies
    assert ("tag", "mlflow.runName") in key_table


def test_keys_of_runs_that_do_not_match_come_last_and_unseen(filled: Store):
    query = browse.Query(filter="attributes.run_name = 'a'")
    key_list = filled.read(lambda tx: browse.keys(tx, query))
    assert (key_list[-1].name, key_list[-1].seen_count) == ("x.y", 0)


def test_values_are_completed_by_their_beginning(filled: Store):
    assert filled.read(lambda tx: browse.values(tx, "params.model")) == ["linear", "tree"]
    assert filled.read(lambda tx: browse.values(tx, "params.model", prefix="t")) == ["tree"]
    assert filled.read(lambda tx: browse.values(tx, "params.model", prefix="%")) == []


def test_groups_count_their_runs_and_span_their_metrics(filled: Store):
    groups, count = filled.read(
        lambda tx: browse.groups(tx, browse.Query(), by="params.model", metrics=["metrics.loss"])
    )
    assert [(group.value, group.count) for group in groups] == [("tree", 6), ("linear", 4)]
    span = groups[0].metrics[0]
    assert (count, span.low, span.high) == (2, 0.1, 0.4)
    assert span.mean == pytest.approx((0.1 + 0.4 + 0.2 + 0.3) / 4)


def test_runs_without_the_key_are_a_group_of_their_own(filled: Store):
    groups, _ = filled.read(lambda tx: browse.groups(tx, browse.Query(), by="params.x.y"))
    assert [(group.value, group.count) for group in groups] == [(None, 9), ("z", 1)]


@pytest.mark.parametrize("by", ["attributes.nope", "metrics.loss", "model"])
def test_what_cannot_be_grouped_by_is_refused(filled: Store, by: str):
    with pytest.raises(Invalid):
        filled.read(lambda tx: browse.groups(tx, browse.Query(), by=by))


def test_archiving_is_all_or_nothing_and_can_be_undone(filled: Store):
    ids = [row.run_id for row in filled.read(lambda tx: browse.rows(tx, browse.Query()))[0]]
    with pytest.raises(tracking.run.NotFound):
        filled.write(lambda tx: browse.archive_runs(tx, [*ids, "nope"]))
    assert len(walked(filled, browse.Query(), 100)) == 10
    filled.write(lambda tx: browse.archive_runs(tx, ids[:4]))
    assert len(walked(filled, browse.Query(), 100)) == 6
    assert len(walked(filled, browse.Query(view="DELETED_ONLY"), 100)) == 4
    filled.write(lambda tx: browse.restore_runs(tx, ids[:4]))
    assert len(walked(filled, browse.Query(), 100)) == 10


def test_tags_are_written_and_dropped_and_a_long_one_is_refused_rather_than_cut(filled: Store):
    run_id = filled.read(lambda tx: browse.rows(tx, browse.Query()))[0][0].run_id
    run = filled.write(lambda tx: browse.edit_tags(tx, run_id, put={"team": "red", "mlflow.note.content": "# why"}))
    assert run.tags["team"] == "red"
    run = filled.write(lambda tx: browse.edit_tags(tx, run_id, put={}, drop=["team", "never there"]))
    assert "team" not in run.tags
    with pytest.raises(Invalid, match="8000"):
        filled.write(lambda tx: browse.edit_tags(tx, run_id, put={"mlflow.note.content": "x" * 8001}))


# --- lines ----------------------------------------------------------------------------------------------------------


def points(values) -> Points:
    return points_of((5000 + at, at, value) for at, value in enumerate(values))


def line(values, **window):
    return line_of(points(values), run_id="r", key="m", window=Window(**window), start_ms=window.pop("began", 0))


def test_few_points_come_back_as_they_are():
    series = line([1.0, 3.0, 2.0], buckets=10)
    assert series.x == [0, 1, 2]
    assert series.low == series.high == series.last == [1, 3, 2]


def test_a_bucket_keeps_its_extremes_and_its_last_point():
    values = [math.sin(at) for at in range(10_000)]
    values[4321] = 99.0
    series = line(values, buckets=100)
    assert len(series.x) == 100
    assert (max(series.high), min(series.low)) == (99.0, min(values))
    assert (series.x[-1], series.last[-1], series.total) == (9999, values[-1], 10_000)
    assert all(low <= last <= high for low, last, high in zip(series.low, series.last, series.high, strict=True))


def test_a_gap_in_the_axis_leaves_no_empty_bucket():
    points = points_of((1, step, 1.0) for step in [*range(50), *range(9000, 9050)])
    series = line_of(points, run_id="r", key="m", window=Window(buckets=20))
    assert all(low is not None for low in series.low)
    assert series.x[-1] == 9049


def test_a_window_shows_its_part_in_full_and_tells_the_whole_span():
    series = line([float(at) for at in range(1000)], buckets=50, low=100, high=120)
    assert (series.x[0], series.x[-1], len(series.x)) == (100, 120, 21)
    assert (series.first_x, series.last_x) == (0, 999)


def test_nan_is_null_only_where_nothing_else_is_in_the_bucket():
    series = line([1.0, math.nan] * 500 + [math.nan] * 1000, buckets=4)
    assert (series.low[0], series.high[0]) == (1.0, 1.0)
    assert series.high[-1] is None


def test_points_of_one_step_share_a_place():
    points = points_of((at, 0, float(at)) for at in range(100))
    series = line_of(points, run_id="r", key="m", window=Window(buckets=10))
    assert (series.x, series.low, series.high, series.last) == ([0], [0], [99], [99])


def test_lines_of_several_runs_and_keys_come_at_once_relative_to_their_beginning(filled: Store):
    ids = [row.run_id for row in filled.read(lambda tx: browse.rows(tx, browse.Query(order_by=("run_name",))))[0]]
    series_list = filled.read(lambda tx: lines(tx, ids[:2], ["loss", "nope"], Window(axis="relative")))
    assert [(series.run_id, series.key, series.total) for series in series_list] == [
        (ids[0], "loss", 1), (ids[0], "nope", 0), (ids[1], "loss", 0), (ids[1], "nope", 0)
    ]  # fmt: skip
    assert series_list[0].x == [1 - 1000]


@pytest.mark.parametrize("arguments", [([], ["a"]), (["r"], []), (["r"] * 30, ["a"] * 30)])
def test_no_lines_and_too_many_are_refused(filled: Store, arguments):
    with pytest.raises(Invalid):
        filled.read(lambda tx: lines(tx, *arguments, Window()))
