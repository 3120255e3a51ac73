"""Which labelled rows a harvest takes."""

from datetime import timedelta

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helicline.records.pipeline import HarvestSpan
from helicline.serving.prediction_log import harvest
from support.prediction_log import NOON, SCHEMA, Log, call, id_of, outcome

MINUTE = timedelta(minutes=1)


def span(labels, predictions):
    return HarvestSpan(labels_until=NOON + labels * MINUTE, predictions_until=NOON + predictions * MINUTE)


def fill(home, rows, corrections=()):
    """Log a prediction at each first minute, and its label so many minutes later; then the label of some rows again."""
    log = Log(home)
    log.add(SCHEMA, *(call(NOON + at * MINUTE, number=number) for number, (at, _) in enumerate(rows)))
    labels = [
        outcome(NOON + (at + delay) * MINUTE, id_of(NOON + at * MINUTE, number))
        for number, (at, delay) in enumerate(rows)
    ]
    log.add(*labels, kind="labels")
    for row, later in corrections:
        at, delay = rows[row % len(rows)]
        moment, prediction_id = NOON + (at + delay + later) * MINUTE, id_of(NOON + at * MINUTE, row % len(rows))
        log.add(outcome(moment, prediction_id, "0"), kind="labels")


def harvested_rows(home, since, until):
    path = home / "rows.parquet"
    if not harvest.write(home, "churn", path, label="label", since=since, until=until).rows:
        return []
    return [int(row[0]) for row in duckdb.sql(f"SELECT a FROM '{path}'").fetchall()]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 60)), min_size=1, max_size=12),
    moments=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 30)), max_size=3),
    corrections=st.lists(st.tuples(st.integers(0, 11), st.integers(1, 60)), max_size=4),
)
def test_every_labelled_row_is_taken_once_however_the_harvests_follow_each_other(
    tmp_path_factory, rows, moments, corrections
):
    """The monitors may lag behind the labels by any time, and labels may come late, and again."""
    home = tmp_path_factory.mktemp("home")
    fill(home, rows, corrections)
    last, numbers, looked = None, [], 0
    for labels, lag in [*sorted(moments), (200, 0)]:
        looked = max(looked, labels - lag)
        until = span(labels, looked)
        numbers += harvested_rows(home, last, until)
        last = until
    assert sorted(numbers) == list(range(len(rows)))


def test_a_label_that_is_corrected_wins_before_its_row_is_published_and_changes_nothing_later(tmp_path):
    fill(tmp_path, [(5, 1), (6, 1)], corrections=[(0, 2), (1, 30)])
    path = tmp_path / "rows.parquet"
    first, second = span(20, 20), span(60, 60)
    assert harvest.write(tmp_path, "churn", path, label="label", until=first) == (2, 0, 0, 0)
    assert duckdb.sql(f"SELECT label FROM '{path}'").fetchall() == [(0,), (1,)]
    assert harvest.write(tmp_path, "churn", path, label="label", since=first, until=second) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("until", "rows"), [(span(30, 10), (1, 0, 1, 0)), (span(30, 30), (2, 0, 0, 0)), (None, (2, 0, 0, 0))]
)
def test_rows_that_no_monitor_has_looked_at_wait_and_are_counted(tmp_path, until, rows):
    fill(tmp_path, [(5, 1), (15, 1)])
    assert harvest.write(tmp_path, "churn", tmp_path / "rows.parquet", label="label", until=until) == rows
