"""The bus: change and event together, a chain that tells every edit, and consumers that repeat nothing."""

import json
import threading

import pytest
import sqlalchemy as sa

from helicline import bus
from helicline.store.rows.event import CURSOR, EVENT, HEAD, after


def emit(store, count=1, **detail):
    for at in range(count):
        store.write(lambda tx, at=at: bus.emit(tx, "made", "thing", str(at), **detail), actor="ada", request_id="r1")


def test_an_event_says_who_what_and_for_which_request(store):
    emit(store, colour="red")
    (recorded,) = store.read(lambda tx: after(tx, 0))
    assert (recorded.seq, recorded.actor, recorded.request_id, recorded.detail) == (1, "ada", "r1", {"colour": "red"})


def test_an_event_of_a_unit_that_failed_is_not_there(store):
    def broken(tx):
        bus.emit(tx, "made", "thing", "1")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        store.write(broken)
    assert store.read(bus.verify) == 0


def test_the_sequence_has_no_gap_under_many_writers(store):
    threads = [threading.Thread(target=emit, args=(store, 10)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.read(bus.verify) == 60


def changed(**fields):
    def edit(tx):
        doc = json.loads(tx.execute(sa.select(EVENT.c.doc).where(EVENT.c.seq == 3)).scalar())
        tx.execute(EVENT.update().where(EVENT.c.seq == 3).values(doc=json.dumps(doc | fields)))

    return edit


EDITS = {
    "the actor": changed(actor="eve"),
    "the time": changed(at="2020-01-01T00:00:00Z"),
    "the verb": changed(verb="deleted"),
    "the id": changed(id="other"),
    "the detail": changed(detail={"colour": "blue"}),
    "the request": changed(request_id=""),
    "the hash": changed(hash="0" * 64),
    "the link": changed(previous_hash="0" * 64),
    "an event is gone": lambda tx: tx.execute(EVENT.delete().where(EVENT.c.seq == 3)),
    "the first is gone": lambda tx: tx.execute(EVENT.delete().where(EVENT.c.seq == 1)),
    "the last is gone": lambda tx: tx.execute(EVENT.delete().where(EVENT.c.seq == 5)),
    "the head is moved": lambda tx: tx.execute(HEAD.update().values(seq=4)),
    "all are gone": lambda tx: tx.execute(EVENT.delete()),
}


@pytest.mark.parametrize("edit", EDITS)
def test_the_chain_tells_every_edit(store, edit):
    emit(store, 5, colour="red")
    assert store.read(bus.verify) == 5
    store.write(EDITS[edit])
    with pytest.raises(bus.ChainBreak):
        store.read(bus.verify)


def test_a_consumer_is_given_each_event_once_and_in_order(store):
    emit(store, 5)
    delivered = []
    assert bus.consume(store, "me", lambda tx, event: delivered.append(event.seq)) == 5
    assert bus.consume(store, "me", lambda tx, event: delivered.append(event.seq)) == 0
    assert delivered == [1, 2, 3, 4, 5]


def test_a_consumer_that_fails_tries_again_and_its_writes_are_undone(store):
    emit(store, 3)
    failures = iter([True, True])

    def brittle(tx, event):
        tx.execute(CURSOR.insert(), {"consumer": f"seen{event.seq}", "seq": 0})
        if event.seq == 2 and next(failures, False):
            raise RuntimeError("no")

    bus.consume(store, "me", brittle)
    consumers = store.read(
        lambda tx: [row.consumer for row in tx.execute(sa.select(CURSOR).order_by(CURSOR.c.consumer))]
    )
    assert consumers == ["me", "seen1", "seen2", "seen3"]


def test_two_at_once_with_one_name_give_each_event_once(store):
    emit(store, 20)
    delivered = []
    threads = [
        threading.Thread(target=bus.consume, args=(store, "me", lambda tx, event: delivered.append(event.seq)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(delivered)) == list(range(1, 21))
    assert store.read(lambda tx: tx.execute(sa.select(CURSOR.c.seq)).scalar()) == 20
