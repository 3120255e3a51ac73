import logging
import resource

import pytest

from helicline.peer_limit import PeerLimit


class Peer:
    """A connection of a peer, which may be busy."""

    def __init__(self, is_quiet=True):
        self.is_quiet, self.closed = is_quiet, False

    def close(self):
        self.closed = True


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def limit(clock):
    return PeerLimit(logging.getLogger("helicline.test"), max_quiet=2, clock=lambda: clock[0])


def connect(limit, *connections, host="10.0.0.1"):
    for connection in connections:
        limit.add(host, connection)
    return [connection.closed for connection in connections]


def test_the_oldest_quiet_connections_of_a_peer_are_closed(limit):
    assert connect(limit, Peer(), Peer(), Peer(), Peer()) == [True, True, False, False]


def test_busy_connections_are_never_closed_and_do_not_count(limit):
    assert connect(limit, *[Peer(is_quiet=False) for _ in range(9)], Peer(), Peer()) == [False] * 11


def test_peers_do_not_share_a_limit(limit):
    assert connect(limit, Peer(), Peer()) == [False, False]
    assert connect(limit, Peer(), Peer(), host="10.0.0.2") == [False, False]


def test_connections_that_have_ended_do_not_count(limit):
    first = Peer()
    connect(limit, first, Peer())
    limit.remove("10.0.0.1", first)
    assert connect(limit, Peer()) == [False]
    assert first.closed is False


def test_the_log_says_so_once_a_minute(limit, clock, caplog):
    connect(limit, *[Peer() for _ in range(6)])
    assert caplog.messages == ["10.0.0.1 has over 2 connections that are idle or half-open: the oldest are closed"]
    clock[0] = 61.0
    connect(limit, Peer())
    assert len(caplog.messages) == 2


@pytest.fixture
def few_descriptors():
    """As after `ulimit -n 128`."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("few_descriptors")
def test_one_peer_never_takes_all_descriptors():
    peers = [Peer() for _ in range(70)]
    connect(PeerLimit(logging.getLogger("helicline.test")), *peers)
    assert [peer.closed for peer in peers] == [True] * 6 + [False] * 64
