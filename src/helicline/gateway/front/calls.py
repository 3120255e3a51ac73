"""One prediction call: assigned, asked, replayed on stable if a candidate fails it, counted, logged."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec

from helicline.gateway.counts import Counts
from helicline.gateway.fleet.link import Link
from helicline.gateway.fleet.replica import Replica
from helicline.gateway.fleet.roster import Roster
from helicline.gateway.front.exchange import JSON, Exchange
from helicline.gateway.front.wire import NAMES, refuse
from helicline.gateway.journal import Journal
from helicline.gateway.worker.frames import RESULT, USER_FAULT, Frame
from helicline.records.deployment import Route
from helicline.serving.assignment import key_hash
from helicline.serving.log_segment import Line

_CANDIDATE_SHARE = 0.5
_HANGS_S = 30.0


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """What every call needs of the gateway."""

    roster: Roster
    counts: Counts
    journal: Journal


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A call as the front understood it. A `pinned` one names its version and is not analysed."""

    exchange: Exchange
    kind: int
    route: Route
    revision: int
    prediction_id: str
    key: str
    timeout_s: float
    pinned: bool = False


class Call:
    """Takes an order through to its answer; exactly one answer is given whatever happens."""

    __slots__ = (
        "_desk",
        "_link",
        "_number",
        "_replays",
        "candidate",
        "end",
        "expires_at",
        "order",
        "reason",
        "served",
    )

    def __init__(self, order: Order, desk: Desk) -> None:
        self.order, self._desk = order, desk
        self.candidate = order.revision != order.route.stable
        self.served = order.revision
        self.reason = ""
        self.end = time.monotonic() + order.timeout_s
        self.expires_at = self.end
        self._link: Link | None = None
        self._number = 0
        self._replays = 0

    @property
    def _can_fall_back(self) -> bool:
        return self.candidate and not self.reason and not self.order.pinned

    def start(self) -> None:
        """Ask the assigned revision."""
        if self._can_fall_back:
            self.expires_at = time.monotonic() + self.order.timeout_s * _CANDIDATE_SHARE
        self._ask()

    def _ask(self) -> None:
        replica = self._desk.roster.get(self.order.route.deployment, self.served)
        link = replica.link if replica is not None else None
        if link is not None and link.has_room:
            self._send(link)
        elif self._can_fall_back:
            self._fall_back("overloaded" if link is not None else "not_ready")
        elif replica is None or not replica.hold(self):
            self._fail(503, self._why_not(replica))

    def _why_not(self, replica: Replica | None) -> str:
        name = f"revision {self.served} of {self.order.route.deployment!r}"
        if replica is None:
            return f"{name} is not loaded here"
        if replica.link is not None:
            return f"{name} has too many calls waiting; try again later"
        return f"{name} is {replica.state}" + (f": {replica.reason}" if replica.reason else "")

    def _send(self, link: Link) -> None:
        self._link = link
        self._number = link.ask(
            self,
            self.order.kind,
            deadline=int(self.expires_at * 1000) & 0xFFFFFFFF,
            meta=self.order.prediction_id.encode(),
            body=self.order.exchange.body,
        )

    def answered(self, frame: Frame) -> None:
        """Take the worker's answer."""
        if frame.kind == RESULT:
            self._succeed(frame)
        elif frame.flags & USER_FAULT:
            if self._can_fall_back:
                self._ask_stable("rejected")
            else:
                self._blame_caller(frame)
        elif self._can_fall_back:
            self._fall_back("timeout" if frame.number == 504 else "error")
        else:
            self._count_own_failure()
            self._log(frame.number, b"", batch_rows=0)
            self.order.exchange.answer(frame.number, frame.body, kind=JSON, headers=self._headers())

    def lost(self) -> None:
        """Learn that the worker died: ask elsewhere, once."""
        if self._can_fall_back:
            self._fall_back("crash")
        elif self._replays == 0 and time.monotonic() < self.end:
            self._replays = 1
            self._ask()
        else:
            self._fail(503, f"the worker of revision {self.served} ended before it answered; try again")

    def resume(self) -> None:
        """Ask again after having been held for a worker's restart."""
        self._ask()

    def expired(self) -> None:
        """Learn that time is up."""
        if self._can_fall_back:
            self._fall_back("timeout")
        else:
            self._fail(504, f"no answer within {self.order.timeout_s:g} s")

    def _fall_back(self, reason: str) -> None:
        self._count_failure()
        self._ask_stable(reason)

    def _ask_stable(self, reason: str) -> None:
        """Replay on stable; if the candidate rejected the input, stable's answer tells whose fault it was."""
        self.reason = reason
        self.served = self.order.route.stable
        self.expires_at = self.end
        self._ask()

    @property
    def _key(self) -> tuple[str, int, int, int]:
        route = self.order.route
        return (route.deployment, self.order.revision, route.rollout, route.stage)

    def _succeed(self, frame: Frame) -> None:
        micros = self.order.exchange.waited_us()
        if self.reason:
            if self.reason == "rejected":
                self._count_failure()
            self._desk.counts.of(self._key).replayed += 1
        elif not self.order.pinned:
            self._desk.counts.of(self._key).took(micros, slow_us=self.order.route.slow_ms * 1000)
        self.order.exchange.answer(200, frame.body, kind=JSON, headers=self._headers())
        self._log(200, frame.meta, batch_rows=frame.number, micros=micros)

    def _blame_caller(self, frame: Frame) -> None:
        if self.reason in ("", "rejected") and not self.order.pinned:
            self._desk.counts.of(self._key).user_errors += 1
        self.order.exchange.answer(frame.number, frame.body, kind=JSON, headers=self._headers())

    def _count_own_failure(self) -> None:
        if not self.reason and not self.order.pinned:
            self._count_failure()

    def _count_failure(self) -> None:
        tally = self._desk.counts.of(self._key)
        tally.took(self.order.exchange.waited_us(), slow_us=self.order.route.slow_ms * 1000)
        tally.errors += 1

    def _fail(self, status: int, why: str) -> None:
        self._count_own_failure()
        self._log(status, b"", batch_rows=0)
        refuse(self.order.exchange, self.order.kind, status=status, why=why)

    def _headers(self) -> tuple[tuple[bytes, bytes], ...]:
        replica = self._desk.roster.get(self.order.route.deployment, self.served)
        version = replica.order.model_version if replica is not None else 0
        return (
            (b"x-prediction-id", self.order.prediction_id.encode()),
            (b"x-variant", b"candidate" if self.candidate else b"stable"),
            (b"x-model-version", b"%d" % version),
            (b"x-served-by", b"%d" % self.served),
        )

    def _log(self, status: int, packed: bytes, *, batch_rows: int, micros: int = -1) -> None:
        order, route = self.order, self.order.route
        replica = self._desk.roster.get(route.deployment, self.served)
        pinned = order.pinned
        took = order.exchange.waited_us() if micros < 0 else micros
        self._desk.journal.line(
            Line(
                order.prediction_id,
                time.time_ns() // 1000 - took,
                route.deployment,
                order.revision,
                replica.order.model if replica is not None else "",
                replica.order.model_version if replica is not None else 0,
                "candidate" if self.candidate else "stable",
                self.served,
                self.reason,
                0 if pinned else route.rollout,
                0 if pinned else route.stage,
                0 if pinned else weight_of(route, order.revision),
                key_hash(order.key, route.salt),
                NAMES[order.kind],
                status,
                batch_rows,
                took,
                packed,
            )
        )


def weight_of(route: Route, revision: int) -> int:
    """Return the revision's share of traffic in basis points."""
    for variant in route.variants:
        if variant.revision == revision:
            return variant.weight_bp
    return 10_000 - sum(variant.weight_bp for variant in route.variants) if revision == route.stable else 0


def sweep(roster: Roster, now: float) -> None:
    """End the calls whose time is up, and recycle workers that have answered nothing long after that."""
    for replica in roster.each():
        for call in _overdue(replica, now):
            if isinstance(call, Call):
                call.expired()


def _overdue(replica: Replica, now: float) -> Iterator[object]:
    late = [call for call in replica.held if call.expires_at <= now]
    for call in late:
        replica.held.remove(call)
    yield from late
    if replica.link is not None:
        yield from replica.link.overdue(now)
        if replica.link.silent_s(now) > _HANGS_S:
            replica.recycle()
