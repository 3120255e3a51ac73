"""Load over raw HTTP: connections that send their next request as soon as the answer to the last one is complete."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import uvloop

ROUNDS = 3


class Rate(NamedTuple):
    """Answers a second, their times in milliseconds, how many were not 200, and how many came at all."""

    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    failed: int
    count: int = 0


class Tally:
    def __init__(self) -> None:
        self.going, self.counting = True, False
        self.times: list[float] = []
        self.failed = self.count = 0
        self.any = asyncio.Event()


class Connection(asyncio.Protocol):
    """Sends what `following` makes, one at a time."""

    def __init__(self, tally: Tally, following: Callable[[], bytes]) -> None:
        self.tally, self.following = tally, following

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.pieces: list[bytes] = []
        self.head, self.expected, self.received = b"", -1, 0
        self.began = time.perf_counter()
        self.transport.write(self.following())

    def data_received(self, data: bytes) -> None:
        if self.expected < 0:
            self.head += data
            head, end, body = self.head.partition(b"\r\n\r\n")
            if not end:
                return
            lines = head.lower().split(b"\r\n")
            size = next((line for line in lines if line.startswith(b"content-length:")), None)
            if size is None:
                raise RuntimeError(f"an answer without a length: {head[:200]!r}")
            self.expected, self.received = int(size.partition(b":")[2]), len(body)
            self.status = head[9:12]
        else:
            self.received += len(data)
        if self.received >= self.expected:
            self.done()

    def done(self) -> None:
        self.tally.count += 1
        if self.tally.counting:
            self.tally.times.append(time.perf_counter() - self.began)
            self.tally.failed += self.status != b"200"
            self.tally.any.set()
        self.send() if self.tally.going else self.transport.close()


async def _measured(port: int, connections: int, seconds: float, following: Callable[[], bytes]) -> Rate:
    loop, tally = asyncio.get_running_loop(), Tally()
    opened = [
        await loop.create_connection(lambda: Connection(tally, following), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.sleep(min(0.3, seconds / 4))
    tally.counting, began = True, time.perf_counter()
    await asyncio.sleep(seconds)
    async with asyncio.timeout(300):
        await tally.any.wait()  # one slow answer is a measurement too
    elapsed = time.perf_counter() - began
    tally.counting = tally.going = False
    await asyncio.sleep(0.2)
    for transport, _ in opened:
        transport.abort()
    times = sorted(seconds * 1000 for seconds in tally.times)
    at = [times[min(len(times) - 1, int(len(times) * share))] for share in (0.5, 0.95, 0.99)]
    return Rate(len(times) / elapsed, *at, tally.failed, tally.count)


def measure(port: int, connections: int, seconds: float, following: Callable[[], bytes]) -> Rate:
    """Load a server on this machine and return how it did."""
    return uvloop.run(_measured(port, connections, seconds, following))


def request(method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def in_turn(measured: Sequence[Callable[[], Rate]], rounds: int = ROUNDS) -> list[Rate]:
    """Measure each in its turn, several times over, and return of each the round with the median rate."""
    columns = zip(*([measure_once() for measure_once in measured] for _ in range(rounds)), strict=True)
    return [sorted(column)[rounds // 2] for column in columns]
