"""How soon a flip of all traffic holds: from the call to the API to the last request that the old version answered.

python bench/flip.py [--flips 100] [--connections 16]

Traffic goes back and forth between two revisions that are both loaded, first with callers that pause between their
calls, then with callers that send the next request at once. Prints milliseconds: the call itself, and the last request
that was sent after the call began and still went to the old version (0 where there was none). Exit code 1 where a
request failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import uvloop
from faults import BODY, LiveLoop, Traffic, live_loop
from load import Connection, Tally, request

PACED_S, GAP_S = 0.05, 0.15
CALL = request("POST", "/endpoints/flowers/invocations", BODY.encode())


class Answered(NamedTuple):
    """One answered request: when it was sent, and by which revision it was answered."""

    sent: float
    revision: int


class Caller(Connection):
    """Sends a request, after a pause or at once, and remembers who answered it."""

    def __init__(self, tally: Tally, pause_s: float, answers: list[Answered]) -> None:
        super().__init__(tally, lambda: CALL)
        self.pause_s, self.answers = pause_s, answers

    def done(self) -> None:
        good, going = self.status == b"200", self.tally.going
        self.tally.failed += not good
        if good:
            served_by = self.head.lower().partition(b"x-served-by: ")[2]
            self.answers.append(Answered(self.began, int(served_by.split(b"\r\n", 1)[0])))
        if going:
            asyncio.get_running_loop().call_later(self.pause_s, self.send)
        else:
            self.transport.close()


async def call_on(port: int, connections: int, pause_s: float) -> None:
    """Call until a line comes on standard input; then print what was answered."""
    loop, tally, answers = asyncio.get_running_loop(), Tally(), list[Answered]()
    for _ in range(connections):
        await loop.create_connection(lambda: Caller(tally, pause_s, answers), "127.0.0.1", port)
    await asyncio.to_thread(sys.stdin.readline)
    tally.going = False
    await asyncio.sleep(0.3)
    print(json.dumps({"failed": tally.failed, "answers": answers}))


@contextmanager
def callers(port: int, connections: int, pause_s: float) -> Iterator[dict[str, Any]]:
    """Have a process of its own call; what it says at its end is in the dictionary."""
    command = [sys.executable, __file__, "--call", str(port), str(connections), str(pause_s)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    report: dict[str, Any] = {}
    try:
        time.sleep(1.0)  # its connections are made
        yield report
        report.update(json.loads(process.communicate("\n", timeout=60)[0]))
    finally:
        process.kill()
        process.wait()


class Flip(NamedTuple):
    """One flip: when the call began, how long it took, and the revision that traffic left."""

    began: float
    call_ms: float
    old: int


def flip(loop: LiveLoop) -> Flip:
    old = loop.client.get("/deployments/flowers", dict[str, Any])["deployment"]["stable"]
    began = time.perf_counter()
    loop.client.post("/deployments/flowers/rollback", dict[str, Any], {"reason": "bench"})
    return Flip(began, (time.perf_counter() - began) * 1000, old)


def at(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def measure(loop: LiveLoop, *, flips: int, connections: int, pause_s: float) -> int:
    """Print the numbers for callers of one kind; return how many requests failed."""
    port = int((loop.home / "gateway.url").read_text().rpartition(":")[2])
    flipped = []
    with callers(port, connections, pause_s) as report:
        for _ in range(flips):
            flipped.append(flip(loop))
            time.sleep(GAP_S)
    answers = [Answered(*answer) for answer in report["answers"]]
    last = [
        max((a.sent - f.began for a in answers if a.revision == f.old and 0 <= a.sent - f.began < GAP_S), default=0.0)
        for f in flipped
    ]
    name = "paced" if pause_s else "full"
    calls, lasts = [f.call_ms for f in flipped], [seconds * 1000 for seconds in last]
    print(
        f"{name:6} {len(answers):>8} answered, {report['failed']} failed   "
        f"call p50 {at(calls, 0.5):.1f} p99 {at(calls, 0.99):.1f} ms   "
        f"last on the old version p50 {at(lasts, 0.5):.1f} p99 {at(lasts, 0.99):.1f} ms",
        flush=True,
    )
    return int(report["failed"])


def main(arguments: list[str]) -> int:
    """Return 1 where a request failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--flips", type=int, default=100)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--call", nargs=3, metavar=("PORT", "CONNECTIONS", "PAUSE"), help=argparse.SUPPRESS)
    parsed = parser.parse_args(arguments)
    if parsed.call:
        port, connections, pause_s = parsed.call
        uvloop.run(call_on(int(port), int(connections), float(pause_s)))
        return 0
    with live_loop() as loop:
        traffic = Traffic((loop.home / "gateway.url").read_text())
        loop.begin_turn()  # a second version; its rollout needs calls to judge it by
        loop.ended_turn()
        traffic.stop()
        sizes = {"flips": parsed.flips, "connections": parsed.connections}
        failed = sum(measure(loop, **sizes, pause_s=pause_s) for pause_s in (PACED_S, 0.0))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
