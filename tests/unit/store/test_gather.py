"""Bulks: items that wait side by side go to one function; each has its own outcome, and order is kept."""

import threading

import pytest

from helicline import tracking
from helicline.errors import Conflict
from helicline.records.lease import Lease
from helicline.records.run import MetricPoint
from helicline.store import nouns
from helicline.store.rows import run as rows
from support.records import NOW

CALLS = []


def add(tx, items):
    CALLS.append(list(items))
    outcomes = [Conflict("lease", name, "is refused") if name.startswith("bad") else f"kept {name}" for name in items]
    for name, outcome in zip(items, outcomes, strict=True):
        if isinstance(outcome, str):
            nouns.LEASES.insert(tx, Lease(name=name, holder="a", fence=1, until=NOW))
        if name == "explodes":
            raise ZeroDivisionError
    return outcomes


def count(tx):
    return len(nouns.LEASES.select(tx))


def held_back(store):
    """Keep the writer busy until the returned event is set, so that what follows waits together."""
    gate = threading.Event()
    store.gather(lambda tx, items: [gate.wait(10) for _ in items], None)
    return gate


@pytest.fixture
def gathered(store):
    """Gather names while the writers are busy; return what became of each, and the calls that were made."""
    CALLS.clear()

    def gather(*names):
        gate = held_back(store)
        futures = [store.gather(add, name) for name in names]
        gate.set()
        outcomes = [future.exception(10) or future.result(10) for future in futures]
        return [outcome if isinstance(outcome, str) else type(outcome) for outcome in outcomes]

    return gather


def test_what_waits_together_is_done_in_one_call(gathered):
    assert gathered("a", "b", "c") == ["kept a", "kept b", "kept c"]
    assert CALLS == [["a", "b", "c"]]


def test_a_refused_item_leaves_the_others_alone(gathered, store):
    assert gathered("a", "bad", "c") == ["kept a", Conflict, "kept c"]
    assert [lease.name for lease in store.read(nouns.LEASES.select)] == ["a", "c"]


def test_where_a_call_fails_each_item_is_done_by_itself(gathered, store):
    assert gathered("a", "explodes", "c") == ["kept a", ZeroDivisionError, "kept c"]
    assert sorted(lease.name for lease in store.read(nouns.LEASES.select)) == ["a", "c"]


def test_with_one_writer_units_between_items_see_what_came_before_them(timeline):
    gate = held_back(timeline)
    futures = [timeline.gather(add, "a"), timeline.submit(count), timeline.gather(add, "b"), timeline.submit(count)]
    gate.set()
    assert [future.result(10) for future in futures] == ["kept a", 1, "kept b", 2]


def test_one_item_alone_is_told_its_error(store):
    with pytest.raises(Conflict, match="is refused"):
        store.gather(add, "bad").result(10)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one writer
def test_items_that_wait_for_a_lock_do_not_hold_up_the_others(store):
    locked_run, free_run = (store.write(lambda tx: tracking.create_run(tx, "0")).run_id for _ in range(2))
    point = MetricPoint(key="k", value=1.0, timestamp_ms=1)
    gate, locked = threading.Event(), threading.Event()
    store.submit(lambda tx: (rows.find_info(tx, locked_run), locked.set(), gate.wait(30)))
    assert locked.wait(20)
    late = store.gather(tracking.log_metrics, (locked_run, [point]))
    for _ in range(3):
        assert store.gather(tracking.log_metrics, (free_run, [point])).result(20) is None
    assert not late.done()
    gate.set()
    assert late.result(20) is None
