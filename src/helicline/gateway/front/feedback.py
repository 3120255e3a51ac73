"""`POST /v1/feedback`: what really happened, by prediction id; on the disk before the 202."""

from __future__ import annotations

import asyncio
import json
import math
import time
from datetime import UTC, datetime

import msgspec

from helicline.gateway.front.exchange import Exchange
from helicline.gateway.journal import Journal
from helicline.gateway.routing import Routing
from helicline.protocol.scoring.errors import v1_error
from helicline.serving.log_segment import Label

_MAX_LINES = 10_000
_MAX_TEXT = 10_000


class FeedbackBody(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of feedback as sent. `idempotency_key` is accepted: repeats do no harm, the last wins."""

    prediction_id: str
    name: str
    value: str | int | float | bool
    row: int = 0
    ts: datetime | float | None = None
    deployment: str = ""
    idempotency_key: str = ""
    source: str = ""


class BadFeedback(Exception):
    """What is wrong with a piece of feedback, for its sender."""


_decode = msgspec.json.Decoder(FeedbackBody).decode


class Feedback:
    """Takes feedback, one at a time or many."""

    def __init__(self, routing: Routing, journal: Journal) -> None:
        self._routing, self._journal = routing, journal
        self._tasks: set[asyncio.Task[None]] = set()

    def one(self, exchange: Exchange) -> None:
        """Answer 202 when the feedback is durable."""
        try:
            label = self._label(exchange.body)
        except BadFeedback as error:
            exchange.answer(400, v1_error(str(error)))
            return
        body = json.dumps({"prediction_id": label.prediction_id, "status": "accepted"}).encode()
        self._start(exchange, [label], body=body)

    def batch(self, exchange: Exchange) -> None:
        """Answer 202 with a line for each line sent, when all good ones are durable."""
        lines = [line for line in exchange.body.split(b"\n") if line.strip()]
        if not 0 < len(lines) <= _MAX_LINES:
            exchange.answer(400, v1_error(f"{len(lines)} lines; 1 to {_MAX_LINES} are taken"))
            return
        labels: list[Label] = []
        results: list[dict[str, str | int]] = []
        for number, line in enumerate(lines):
            try:
                labels.append(self._label(line))
                results.append({"line": number, "status": "accepted"})
            except BadFeedback as error:
                results.append({"line": number, "status": "error", "error": str(error)})
        self._start(exchange, labels, body=b"".join(json.dumps(result).encode() + b"\n" for result in results))

    def _start(self, exchange: Exchange, labels: list[Label], *, body: bytes) -> None:
        task = asyncio.create_task(self._keep(exchange, labels, body=body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep(self, exchange: Exchange, labels: list[Label], *, body: bytes) -> None:
        try:
            if labels:
                await self._journal.keep(labels)
        except OSError as error:
            exchange.answer(503, v1_error(f"feedback cannot be kept: {error}"), headers=((b"retry-after", b"5"),))
            return
        kind = b"application/x-ndjson" if body.endswith(b"\n") else b"application/json"
        exchange.answer(202, body, kind=kind)

    def _label(self, body: bytes) -> Label:
        try:
            given = _decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BadFeedback(f"feedback: {error}") from None
        _check(given)
        deployment = given.deployment or self._journal.deployment_of(given.prediction_id)
        if given.deployment and given.deployment not in self._routing.routes:
            raise BadFeedback(f"deployment: got {given.deployment[:200]!r}, allowed: one that is served here")
        now = time.time_ns() // 1000
        return Label(
            deployment,
            given.prediction_id,
            given.row,
            given.name,
            _text(given.value),
            now if given.ts is None else _micros(given.ts),
            now,
            given.source,
        )


def _check(given: FeedbackBody) -> None:
    if not 0 < len(given.prediction_id) <= 128:
        raise BadFeedback("prediction_id: 1 to 128 characters")
    if not 0 < len(given.name) <= 250:
        raise BadFeedback("name: 1 to 250 characters")
    if not 0 <= given.row < 2**31:
        raise BadFeedback(f"row: got {given.row}, allowed: a whole number from 0")
    if isinstance(given.value, float) and not math.isfinite(given.value):
        raise BadFeedback("value: a finite number, text or a boolean")
    if max(len(given.source), len(str(given.value)) if isinstance(given.value, str) else 0) > _MAX_TEXT:
        raise BadFeedback(f"value and source: at most {_MAX_TEXT} characters")


def _text(value: str | float) -> str:
    """Return the value as text; a boolean (an int to Python) is true or false."""
    return value if isinstance(value, str) else json.dumps(value)


def _micros(moment: datetime | float) -> int:
    """Return microseconds since 1970; a number is milliseconds, a time without zone is UTC."""
    if not isinstance(moment, datetime):
        if not 0 <= moment < 253_402_300_800_000:
            raise BadFeedback(f"ts: got {moment}, allowed: milliseconds since 1970 or an ISO 8601 time")
        return int(moment * 1000)
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1e6)
