import asyncio

import pytest

from helicline.gateway.fleet.dispatcher import Dispatcher
from helicline.gateway.fleet.worker_connection import WorkerConnection
from helicline.gateway.worker.frames import RESULT, SCORING_JSON, FrameReader, pack


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Transport:
    """The worker's end of the socket: it keeps what was sent to it."""

    def __init__(self):
        self.reader, self.frames = FrameReader(), []

    def write(self, data):
        self.frames += self.reader.feed(data)

    def get_write_buffer_size(self):
        return 0


class FakeCall:
    def __init__(self, name, expires_at):
        self.name, self.expires_at, self.suspect, self.ends = name, expires_at, False, []

    def send_over(self, connection):
        return connection.send_call(self, SCORING_JSON, deadline=0, meta=b"", body=self.name.encode())

    def answered(self, frame):
        self.ends.append("answered")

    def worker_lost(self, loss):
        self.ends.append(loss)

    def expired(self):
        self.ends.append("expired")

    def too_late(self):
        self.ends.append("too late")

    def send(self):
        self.ends.append("sent elsewhere")


class Bench:
    """A dispatcher, and a worker that takes as long for its answers as the test says."""

    def __init__(self, *, batchable=False):
        self.clock = Clock()
        self.dispatcher = Dispatcher(hang_s=5.0, clock=self.clock)
        self.calls = {}
        self._loop = asyncio.new_event_loop()
        self.start_worker(batchable=batchable)

    def start_worker(self, *, batchable):
        self.transport = Transport()
        self.connection = self._loop.run_until_complete(self._connect())
        self.connection.connection_made(self.transport)
        self.dispatcher.attach(self.connection, batchable=batchable)

    async def _connect(self):
        return WorkerConnection(self.clock)

    @property
    def sent(self):
        return [frame.body.decode() for frame in self.transport.frames]

    def submit(self, *names, timeout_s=60.0, suspect=False):
        for name in names:
            call = self.calls[name] = FakeCall(name, self.clock.now + timeout_s)
            call.suspect = suspect
            not_taken = self.dispatcher.submit(call)
        return not_taken

    def answer(self, *names, after_s=0.0):
        self.clock.now += after_s
        frames = [frame for frame in self.transport.frames if frame.body.decode() in names]
        self.connection.data_received(b"".join(pack(RESULT, frame.id, number=1) for frame in frames))

    def ends(self, *names):
        return [self.calls[name].ends for name in names]

    def close(self):
        self._loop.close()


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.close()


@pytest.fixture
def joining():
    bench = Bench(batchable=True)
    yield bench
    bench.close()


def names_of(count):
    return [f"call-{number}" for number in range(count)]


def test_a_worker_that_cannot_join_calls_gets_the_next_when_it_has_answered(bench):
    bench.submit("a", "b", "c")
    assert bench.sent == ["a"]
    bench.answer("a", after_s=1.0)
    assert bench.sent == ["a", "b"]
    assert bench.ends("a", "b") == [["answered"], []]


def test_a_quick_worker_always_has_the_next_call_at_hand(bench):
    bench.submit("a", "b", "c", "d")
    bench.answer("a", after_s=0.001)
    assert bench.sent == ["a", "b", "c", "d"]


def test_a_worker_that_joins_calls_gets_two_batches(joining):
    joining.submit(*names_of(200))
    assert len(joining.sent) == 128


def test_the_earliest_deadline_is_sent_first(bench):
    bench.submit("running")
    bench.submit("patient", timeout_s=50.0)
    bench.submit("hasty", timeout_s=5.0)
    bench.answer("running")
    bench.answer("hasty")
    assert bench.sent == ["running", "hasty", "patient"]


def test_a_call_that_cannot_be_in_time_is_not_taken(bench):
    bench.submit("a")
    bench.answer("a", after_s=3.0)
    assert bench.submit("b", "c", "d", timeout_s=10.0) is None
    assert bench.submit("e", timeout_s=10.0) == "late"
    assert bench.dispatcher.retry_after_s() == 12
    assert bench.submit("f", timeout_s=13.0) is None


def test_a_call_with_nothing_before_it_is_always_taken(bench):
    bench.submit("a")
    bench.answer("a", after_s=30.0)
    assert bench.submit("b", timeout_s=1.0) is None
    assert bench.sent == ["a", "b"]


def test_a_call_whose_turn_comes_too_late_makes_room_for_one_that_can_be_in_time(bench):
    bench.submit("a")
    bench.answer("a", after_s=3.0)
    bench.submit("b")
    bench.submit("c", timeout_s=8.0)
    bench.submit("d")
    bench.answer("b", after_s=6.0)
    assert bench.ends("c") == [["too late"]]
    assert bench.sent == ["a", "b", "d"]


def test_waiting_calls_are_limited(bench):
    assert bench.submit(*names_of(1025)) is None
    assert bench.submit("more") == "full"


def test_calls_wait_while_the_worker_restarts(bench):
    bench.connection.connection_lost(None)
    bench.submit("a", "b")
    bench.start_worker(batchable=True)
    assert bench.sent == ["a", "b"]


def test_calls_find_another_way_when_no_worker_comes(bench):
    bench.dispatcher.detach()
    bench.submit("a")
    bench.submit("b", suspect=True)
    bench.dispatcher.send_elsewhere()
    assert bench.ends("a", "b") == [["sent elsewhere"], ["sent elsewhere"]]


def test_suspects_are_sent_one_at_a_time_beside_others(joining):
    joining.submit("x", "y", suspect=True)
    joining.submit("a", "b")
    assert joining.sent == ["x", "a", "b"]
    joining.answer("a", "b")
    assert joining.sent == ["x", "a", "b"]
    joining.answer("x")
    assert joining.sent == ["x", "a", "b", "y"]


def test_a_call_that_waits_too_long_expires(bench):
    bench.submit("a")
    bench.submit("b", timeout_s=1.0)
    bench.clock.now += 2.0
    bench.dispatcher.expire(bench.clock.now)
    assert bench.ends("a", "b") == [[], ["expired"]]


def test_a_discarded_call_is_never_sent(bench):
    bench.submit("a", "b")
    assert bench.dispatcher.discard(bench.calls["b"])
    assert not bench.dispatcher.discard(bench.calls["a"])
    bench.answer("a")
    assert bench.sent == ["a"]


def test_a_worker_hangs_only_while_others_wait_or_its_caller_has_left(bench):
    bench.submit("a", timeout_s=8.0)
    bench.clock.now += 6.0
    assert not bench.dispatcher.is_hung(bench.clock.now)
    bench.submit("b")
    assert bench.dispatcher.is_hung(bench.clock.now)
    bench.dispatcher.discard(bench.calls["b"])
    bench.clock.now += 3.0
    bench.dispatcher.expire(bench.clock.now)
    assert bench.dispatcher.is_hung(bench.clock.now)


def test_a_worker_that_is_always_slow_does_not_hang(bench):
    bench.submit("a", "b", "c")
    bench.answer("a", after_s=4.0)
    bench.clock.now += 6.0
    assert not bench.dispatcher.is_hung(bench.clock.now)


def test_only_the_call_that_hangs_stays_with_its_worker(bench):
    bench.submit("a")
    bench.answer("a", after_s=0.001)
    bench.submit("hangs", "b", "c")
    bench.clock.now += 6.0
    bench.dispatcher.set_aside()
    assert bench.ends("hangs", "b", "c") == [[], ["hang"], ["hang"]]
    assert bench.dispatcher.connection is None
    bench.answer("hangs")
    assert bench.ends("hangs") == [["answered"]]


def test_calls_joined_with_one_that_hangs_are_all_sent_again(joining):
    joining.submit("a", "b", "c")
    joining.clock.now += 6.0
    joining.dispatcher.set_aside()
    assert joining.ends("a", "b", "c") == [["hang"], ["hang"], ["hang"]]


def test_a_suspect_that_hangs_again_is_not_sent_a_third_time(joining):
    joining.submit("x", suspect=True)
    joining.submit("a")
    joining.clock.now += 6.0
    joining.dispatcher.set_aside()
    assert joining.ends("x", "a") == [[], ["hang"]]


def test_a_late_answer_still_frees_the_worker(bench):
    bench.submit("a", timeout_s=1.0)
    bench.clock.now += 2.0
    bench.dispatcher.expire(bench.clock.now)
    bench.submit("b")
    assert bench.sent == ["a"]
    bench.answer("a")
    assert bench.sent == ["a", "b"]
