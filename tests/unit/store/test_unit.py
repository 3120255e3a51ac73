"""Units of work: one commit for many, a failing one alone, and no acknowledgement before the commit."""

import queue
import threading
from concurrent.futures import Future

import pytest
import sqlalchemy as sa

from helicline import bus
from helicline.errors import Conflict, Invalid, StorageFull, Unavailable
from helicline.records.lease import Lease
from helicline.store import nouns
from helicline.store.database import Store
from helicline.store.migrations import upgrade
from helicline.store.noun import Stale
from helicline.store.writer.errors import translated
from support.records import NOW


def lease(name, holder="a"):
    return Lease(name=name, holder=holder, fence=1, until=NOW)


def insert(name):
    return lambda tx: nouns.LEASES.insert(tx, lease(name))


def names(store):
    return [lease.name for lease in store.read(nouns.LEASES.select)]


def held_back(store):
    """Keep the writer busy until the returned event is set, so that what follows waits in one group."""
    gate = threading.Event()
    store.submit(lambda tx: gate.wait(10))
    return gate


def test_a_failing_unit_rolls_back_alone(store):
    def broken(tx):
        nouns.LEASES.insert(tx, lease("lost"))
        raise Conflict("lease", "lost", "is broken")

    gate = held_back(store)
    futures = [store.submit(unit) for unit in (insert("a"), broken, insert("b"))]
    gate.set()
    assert [future.exception(10) is None for future in futures] == [True, False, True]
    assert names(store) == ["a", "b"]


def test_the_error_of_a_unit_is_the_callers(store):
    with pytest.raises(ZeroDivisionError):
        store.write(lambda tx: 1 / 0)
    store.write(insert("after"))
    assert names(store) == ["after"]


class Brittle(Store):
    """Its commits fail while `broken` is set, after every unit has run."""

    broken = False

    def __init__(self, url):
        super().__init__(url)
        sa.event.listen(self.engine, "commit", self._fail)

    def _fail(self, _connection):
        if self.broken:
            raise sa.exc.OperationalError("COMMIT", {}, Exception("database or disk is full"))


def test_nothing_is_acknowledged_when_the_commit_fails(tmp_path):
    store, heard = Brittle(f"sqlite:///{tmp_path / 'meta.db'}"), []
    upgrade(store)
    store.listeners.append(heard.extend)
    store.broken = True
    with pytest.raises(StorageFull):
        store.write(lambda tx: bus.emit(tx, "made", "thing", "1"))
    store.broken = False
    assert heard == []
    assert store.read(bus.verify) == 0
    store.write(insert("later"))
    assert names(store) == ["later"]
    store.close()


def test_listeners_hear_only_of_what_was_committed(store):
    heard: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
    store.listeners.append(lambda events: heard.put((events[0].id, store.read(bus.verify))))
    store.write(lambda tx: bus.emit(tx, "made", "thing", "1"))
    assert heard.get(timeout=10) == ("1", 1)


def test_a_listener_that_fails_does_not_stop_the_writer(store):
    def broken(_events):
        raise RuntimeError("no")

    store.listeners.append(broken)
    for at in range(3):
        store.write(lambda tx, at=at: bus.emit(tx, "made", "thing", str(at)))
    assert store.read(bus.verify) == 3


def test_a_view_reads_one_snapshot(store):
    def view(tx):
        before = len(nouns.LEASES.select(tx))
        store.write(lambda other: nouns.LEASES.insert(other, Lease(name="new", holder="a", fence=1, until=NOW)))
        return before, len(nouns.LEASES.select(tx))

    assert store.read(view) == (0, 0)
    assert len(store.read(nouns.LEASES.select)) == 1


def test_a_caller_that_went_away_does_not_stop_the_writer(store):
    gate = held_back(store)
    futures: list[Future] = [store.submit(insert(f"gone{at}")) for at in range(3)]
    cancelled = [future.cancel() for future in futures]
    gate.set()
    store.write(insert("here"))
    assert "here" in names(store)
    assert all(f"gone{at}" not in names(store) for at, was in enumerate(cancelled) if was)


def test_a_closed_store_takes_nothing_and_loses_nothing(store):
    futures = [store.submit(insert(f"n{at:02}")) for at in range(20)]
    store.close()
    assert all(future.exception(1) is None for future in futures)
    with pytest.raises(Unavailable, match="closing"):
        store.write(insert("late"))


def test_a_swap_of_a_changed_row_is_stale(store):
    first = store.write(insert("x"))
    store.write(lambda tx: nouns.LEASES.swap(tx, first))
    with pytest.raises(Stale):
        store.write(lambda tx: nouns.LEASES.swap(tx, first))


def test_a_key_stands_once(store):
    store.write(insert("x"))
    with pytest.raises(Conflict, match="exists already"):
        store.write(insert("x"))


def test_many_at_once_insert_one_key_and_one_wins(store):
    futures = [store.submit(insert("x")) for _ in range(16)]
    errors = [future.exception(20) for future in futures]
    assert sum(1 for error in errors if error is None) == 1
    assert all(isinstance(error, Conflict) for error in errors if error is not None)


def test_a_store_that_cannot_open_its_database_tells_every_writer_and_recovers(tmp_path):
    (tmp_path / "meta.db").mkdir()
    store = Store(f"sqlite:///{tmp_path / 'meta.db'}")
    for _ in range(2):
        with pytest.raises(Unavailable, match="unable to open"):
            store.submit(insert("x")).result(10)
    (tmp_path / "meta.db").rmdir()
    upgrade(store)
    store.write(insert("x"))
    assert names(store) == ["x"]
    store.close()


@pytest.mark.parametrize("bad", [2**63, -(2**63) - 1, 10**30])
def test_a_number_that_no_column_holds_is_invalid(store, bad):
    with pytest.raises(Invalid):
        store.read(lambda tx: nouns.VERSIONS.find(tx, "m", bad))
    with pytest.raises(Invalid):
        store.write(lambda tx: nouns.VERSIONS.find(tx, "m", bad))


def test_a_lone_surrogate_is_invalid(store):
    with pytest.raises(Invalid):
        store.write(lambda tx: nouns.LEASES.find(tx, "\ud800"))


def test_times_come_back_to_the_microsecond(store):
    lease = store.write(insert("x"))
    assert store.read(lambda tx: nouns.LEASES.get(tx, "x")) == lease


@pytest.mark.parametrize("text", ["database or disk is full", "No space left on device", "disk I/O error"])
def test_a_full_disk_has_a_name_and_a_next_step(text):
    error = translated(sa.exc.OperationalError("x", {}, Exception(text)))
    assert isinstance(error, StorageFull)
    assert "Free some space" in str(error)


def test_a_network_file_system_is_refused(tmp_path):
    from helicline.store import durable

    assert "nfs4" in durable.NETWORK_FILE_SYSTEMS
    durable.refuse_network(tmp_path)


def test_a_full_disk_is_called_so_though_the_savepoints_are_gone(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'meta.db'}")
    upgrade(store)
    pages = store.write(lambda tx: tx.connection.exec_driver_sql("PRAGMA page_count").scalar())
    store.write(lambda tx: tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 8}"))
    gate = held_back(store)
    futures = [store.submit(unit) for unit in (insert("a"), insert("x" * 1_000_000), insert("b"))]
    gate.set()
    assert {type(future.exception(10)) for future in futures} == {StorageFull}
    assert names(store) == []
    store.write(insert("later"))
    store.close()
