"""Two servers on one PostgreSQL: each hears of what the other commits."""

import pytest
import sqlalchemy as sa

from helicline import bus
from helicline.store.database import Store
from support.wait import wait_for


@pytest.fixture
def stores(postgres_database):
    """Two stores of one database, as two servers open it."""
    stores = [Store(postgres_database) for _ in range(2)]
    yield stores
    for store in stores:
        store.close()


def heard_by(store, poll_s=1.0):
    """Return the list that grows with the events that a store's listeners get."""
    events = []
    store.listeners.append(events.extend)
    store.share_events(poll_s=poll_s)
    return events


def emit(store, id):
    return store.write(lambda tx: bus.emit(tx, "changed", "routing", id)).seq


def test_each_server_hears_the_events_of_both_in_order_and_once(stores):
    heard = [heard_by(store) for store in stores]
    seqs = [emit(stores[number % 2], f"r{number}") for number in range(20)]
    for events in heard:
        wait_for(lambda events=events: len(events) >= 20, "all events")
        assert [event.seq for event in events] == seqs


def test_events_come_by_notification_and_not_by_the_poll(stores):
    heard = heard_by(stores[1], poll_s=3600.0)
    seqs = [emit(stores[0], f"n{number}") for number in range(3)]
    wait_for(lambda: [event.seq for event in heard][-3:] == seqs, "the events, an hour before the poll")


def test_a_lost_connection_loses_no_event(stores):
    heard = heard_by(stores[1])
    emit(stores[0], "before")
    wait_for(lambda: heard, "the first event")
    with stores[0].engine.begin() as connection:
        listening = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN helicline_event'"
        wait_for(lambda: connection.execute(sa.text(listening)).all(), "the end of the listening connection")
    seq = emit(stores[0], "after")
    wait_for(lambda: heard[-1].seq == seq, "the event after the loss")


def test_on_sqlite_listeners_are_called_after_each_commit(tmp_path):
    from helicline.store.migrations import upgrade

    store = Store(f"sqlite:///{tmp_path / 'meta.db'}")
    upgrade(store)
    heard = heard_by(store)
    seq = emit(store, "x")
    wait_for(lambda: heard, "the event")
    assert heard[-1].seq == seq
    store.close()
