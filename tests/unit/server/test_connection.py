"""The head of an answer goes out with its body, and never waits for one that is late."""

import asyncio

import pytest

from helicline.server.connection import BufferedHeadTransport

HEAD, BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n", b"body"


class Wire:
    """A transport that notes what is written to it."""

    def __init__(self):
        self.written, self.closed = [], False

    def write(self, data):
        self.written.append(bytes(data))

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed


@pytest.fixture
def run_on_transport():
    """Do something with a buffering transport in an event loop, and return what was written by the end of it."""

    def run(act):
        async def within():
            wire = Wire()
            await act(BufferedHeadTransport(wire, asyncio.get_running_loop()), wire)
            return wire

        return asyncio.run(within())

    return run


async def run_scheduled():
    """Let the event loop run what is scheduled for its next iteration."""
    await asyncio.sleep(0)  # a sleep of nothing is how asyncio yields


def test_head_and_body_are_written_together(run_on_transport):
    async def act(transport, _wire):
        transport.write(HEAD)
        transport.write(BODY)
        await run_scheduled()

    assert run_on_transport(act).written == [HEAD + BODY]


def test_a_head_goes_out_alone_where_its_body_is_late(run_on_transport):
    async def act(transport, wire):
        transport.write(HEAD)
        await run_scheduled()
        assert wire.written == [HEAD]
        transport.write(BODY)

    assert run_on_transport(act).written == [HEAD, BODY]


def test_a_body_that_looks_like_a_head_is_written_in_its_place(run_on_transport):
    async def act(transport, _wire):
        transport.write(HEAD)
        transport.write(BODY)
        transport.write(HEAD)
        transport.write(BODY)
        await run_scheduled()

    assert run_on_transport(act).written == [HEAD + BODY, HEAD + BODY]


def test_what_is_held_back_goes_out_before_the_end(run_on_transport):
    async def act(transport, wire):
        transport.write(HEAD)
        transport.close()
        assert transport.is_closing()

    wire = run_on_transport(act)
    assert wire.written == [HEAD]
    assert wire.closed


def test_nothing_is_written_to_a_client_that_has_gone(run_on_transport):
    async def act(transport, wire):
        transport.write(HEAD)
        wire.close()
        await run_scheduled()

    assert run_on_transport(act).written == []
