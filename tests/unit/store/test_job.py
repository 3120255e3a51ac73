"""The writer's inbox wakes it at the right moment, and an event loop learns what became of its units."""

import asyncio
import gc
import threading
import weakref
from concurrent.futures import Future

import pytest

from helicline.errors import Conflict, Invalid, Unavailable
from helicline.records.lease import Lease
from helicline.store import nouns
from helicline.store.writer.job import Inbox, Job
from support.records import NOW


def job(unit=lambda tx: None, future=None):
    return Job(unit, future or Future(), actor="a", request_id="r")


def count(tx):
    return len(nouns.LEASES.select(tx))


@pytest.fixture
def taking():
    """Take from an inbox in a thread of its own; return what it took, when it has."""
    started = []

    def take(inbox, **how):
        took = Future()
        how = {"expected_count": 1, "linger_s": 0.0, "limit": 10} | how
        thread = threading.Thread(target=lambda: took.set_result(inbox.take(**how)))
        thread.start()
        started.append(thread)
        return took

    yield take
    for thread in started:
        thread.join(10)


def test_one_job_is_taken_at_once(taking):
    inbox, single = Inbox(), job()
    took = taking(inbox)
    inbox.put(single)
    assert took.result(10) == [single]


def test_as_many_as_are_hoped_for_are_waited_for(taking):
    inbox, jobs = Inbox(), [job() for _ in range(5)]
    took = taking(inbox, expected_count=5, linger_s=60)
    for queued in jobs:
        assert not took.done()
        inbox.put(queued)
    assert took.result(10) == jobs


def test_they_are_waited_for_only_so_long(taking):
    inbox, single = Inbox(), job()
    took = taking(inbox, expected_count=5, linger_s=0.01)
    inbox.put(single)
    assert took.result(10) == [single]


def test_no_more_are_taken_than_fit_and_the_rest_is_not_forgotten(taking):
    inbox, jobs = Inbox(), [job() for _ in range(5)]
    for queued in jobs:
        inbox.put(queued)
    assert taking(inbox, limit=3).result(10) == jobs[:3]
    assert taking(inbox).result(10) == jobs[3:]


def test_a_closed_inbox_gives_what_it_has_and_then_nothing(taking):
    inbox, single = Inbox(), job()
    inbox.put(single)
    inbox.close()
    assert taking(inbox, expected_count=9, linger_s=60).result(10) == [single]
    assert taking(inbox).result(10) == []


def test_every_job_of_many_threads_is_taken_once(taking):
    inbox, jobs = Inbox(), [[job() for _ in range(500)] for _ in range(4)]
    threads = [threading.Thread(target=lambda part=part: [inbox.put(queued) for queued in part]) for part in jobs]
    for thread in threads:
        thread.start()
    took = []
    while len(took) < 2000:
        took += taking(inbox, expected_count=7, linger_s=0.001, limit=50).result(10)
    assert sorted(map(id, took)) == sorted(id(queued) for part in jobs for queued in part)


def test_an_event_loop_awaits_what_became_of_its_units(timeline):
    def refused(tx):
        raise Conflict("lease", "x", "is refused")

    async def ask():
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(4)]
        for future, unit in zip(futures, (count, refused, count, lambda tx: 1 / 0), strict=True):
            timeline.enqueue(job(unit, future))
        return await asyncio.gather(*futures, return_exceptions=True)

    outcomes = asyncio.run(ask())
    assert [outcome if outcome == 0 else type(outcome) for outcome in outcomes] == [0, Conflict, 0, ZeroDivisionError]


def test_a_unit_that_nobody_awaits_any_more_is_not_run(timeline):
    gate, ran = threading.Event(), []
    timeline.submit(lambda tx: gate.wait(10))

    async def ask():
        future = asyncio.get_running_loop().create_future()
        timeline.enqueue(job(ran.append, future))
        future.cancel()

    asyncio.run(ask())
    gate.set()
    assert timeline.write(count) == 0
    assert ran == []


def test_a_loop_that_is_closed_stops_no_writer(timeline):
    gate = threading.Event()
    timeline.submit(lambda tx: gate.wait(10))

    async def ask():
        timeline.enqueue(job(insert, asyncio.get_running_loop().create_future()))

    def insert(tx):
        nouns.LEASES.insert(tx, Lease(name="x", holder="a", fence=1, until=NOW))

    asyncio.run(ask())
    gate.set()
    assert timeline.write(count) == 1


def test_a_store_that_is_closed_takes_nothing(timeline):
    timeline.close()
    with pytest.raises(Unavailable, match="closing"):
        timeline.enqueue(job())


def test_what_was_written_is_free_without_a_collection(timeline):
    class Item:
        """What can be referred to weakly."""

    def keep(_tx, items):
        return [Conflict("lease", "x", "is refused") if at else None for at, _ in enumerate(items)]

    gc.disable()
    try:
        gate = threading.Event()
        timeline.gather(lambda tx, items: [gate.wait(10) for _ in items], None)
        items = [Item() for _ in range(4)]
        alive = [weakref.ref(item) for item in items]
        futures = [timeline.gather(keep, item) for item in items]
        gate.set()
        assert [type(future.exception(10)) for future in futures] == [type(None), *[Conflict] * 3]
        items.clear()
        futures.clear()
        timeline.write(count)
        timeline.write(count)  # the writer has let go of the group before
        assert [reference() for reference in alive] == [None] * 4
    finally:
        gc.enable()


def test_an_error_without_words_takes_nobody_with_it(timeline):
    def wordless(tx):
        raise OverflowError

    gate = threading.Event()
    timeline.submit(lambda tx: gate.wait(10))
    futures = [timeline.submit(unit) for unit in (count, wordless, lambda tx: next(iter(())), count)]
    gate.set()
    kinds = [type(future.exception(10)) for future in futures]
    assert kinds == [type(None), Invalid, RuntimeError, type(None)]


def test_whoever_was_told_is_not_told_again(timeline):
    """What goes wrong after a group was answered is nobody's error."""

    class Broken(list):
        def __iter__(self):
            raise ZeroDivisionError

    def emits(tx):
        tx.emitted = Broken()
        return 7

    async def ask():
        future = asyncio.get_running_loop().create_future()
        timeline.enqueue(job(emits, future))
        return await future

    assert asyncio.run(ask()) == 7
    assert timeline.write(count) == 0
