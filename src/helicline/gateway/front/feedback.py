"""`POST /v1/feedback`: what became of predictions and of units (users, sessions); on the disk before the answer 202."""

from __future__ import annotations

import asyncio
import json
import math
import time
from datetime import UTC, datetime

import msgspec

from helicline.access.signed_token import Claims
from helicline.gateway.front.feedback_limit import FeedbackLimit
from helicline.gateway.front.request import Request
from helicline.gateway.front.token_check import TokenCheck
from helicline.gateway.prediction_log import PredictionLog
from helicline.gateway.routing_table import RoutingTable
from helicline.protocol.scoring.errors import v1_error
from helicline.serving.assignment import key_hash
from helicline.serving.prediction_log.segment import Label

_MAX_LINES = 10_000
_MAX_TEXT = 10_000
_MAX_ID, _MAX_UNIT, _MAX_NAME = 128, 1000, 250


class FeedbackBody(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of feedback as sent, on a prediction or on a unit, by the assignment key that its calls had.

    What comes again with the same `idempotency_key` corrects what came before. Without one, a prediction has one value
    of each name, and a unit one for each `ts`.
    """

    name: str
    value: str | int | float | bool
    prediction_id: str = ""
    unit: str | int = ""
    row: int = 0
    ts: datetime | float | None = None
    deployment: str = ""
    idempotency_key: str = ""
    source: str = ""


class BadFeedback(Exception):
    """A piece of feedback is not taken; the message is for its sender."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


_decode = msgspec.json.Decoder(FeedbackBody).decode


class Feedback:
    """Answers `POST /v1/feedback` and `/v1/feedback:batch`."""

    def __init__(self, routing: RoutingTable, prediction_log: PredictionLog, tokens: TokenCheck) -> None:
        self._routing, self._prediction_log, self._tokens = routing, prediction_log, tokens
        self._limit = FeedbackLimit()
        self._tasks: set[asyncio.Task[None]] = set()

    def single(self, request: Request) -> None:
        """Answer 202 when the feedback is durable."""
        try:
            label = self._label(request.body, request.caller)
        except BadFeedback as error:
            request.respond(error.status, v1_error(str(error)))
            return
        subject = {"prediction_id": label.prediction_id} if label.prediction_id else {}
        body = json.dumps({**subject, "status": "accepted"}).encode()
        self._append_in_background(request, [label], body=body)

    def batch(self, request: Request) -> None:
        """Answer 202 with a line for each line sent, when all good ones are durable."""
        lines = [line for line in request.body.split(b"\n") if line.strip()]
        if not 0 < len(lines) <= _MAX_LINES:
            request.respond(400, v1_error(f"{len(lines)} lines; 1 to {_MAX_LINES} are taken"))
            return
        labels: list[Label] = []
        results: list[dict[str, str | int]] = []
        for number, line in enumerate(lines):
            try:
                labels.append(self._label(line, request.caller))
                results.append({"line": number, "status": "accepted"})
            except BadFeedback as error:
                results.append({"line": number, "status": "error", "error": str(error)})
        self._append_in_background(
            request, labels, body=b"".join(json.dumps(result).encode() + b"\n" for result in results)
        )

    def _append_in_background(self, request: Request, labels: list[Label], *, body: bytes) -> None:
        task = asyncio.create_task(self._append(request, labels, body=body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _append(self, request: Request, labels: list[Label], *, body: bytes) -> None:
        try:
            if labels:
                await self._prediction_log.append_labels(labels)
        except OSError as error:
            request.respond(503, v1_error(f"feedback cannot be kept: {error}"), headers=((b"retry-after", b"5"),))
            return
        media_type = b"application/x-ndjson" if body.endswith(b"\n") else b"application/json"
        request.respond(202, body, media_type=media_type)

    def _label(self, body: bytes, caller: Claims | None) -> Label:
        try:
            feedback = _decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BadFeedback(f"feedback: {error}") from None
        _check(feedback)
        deployment = self._deployment_of(feedback)
        if not self._tokens.allows(caller, "feedback", deployment if deployment in self._routing.routes else "*"):
            why = f"the token has not the scope feedback:{deployment}"
            if deployment not in self._routing.routes:
                why = "the prediction is not known (any more); say its deployment, or use the scope feedback:*"
            raise BadFeedback(why, 403)
        source = _source(feedback.source, caller)
        now = time.time_ns() // 1000
        at = now if feedback.ts is None else _micros(feedback.ts)
        label = Label(
            deployment,
            feedback.prediction_id,
            feedback.row,
            feedback.name,
            _text(feedback.value),
            at,
            now,
            source,
            "" if feedback.prediction_id else key_hash(str(feedback.unit), deployment),
            feedback.idempotency_key or ("" if feedback.prediction_id or feedback.ts is None else str(at)),
        )
        label_key = (label.prediction_id, str(label.row), label.name, label.unit_key_hash, label.event_id)
        if refusal := self._limit.refusal(source, label_key):
            raise BadFeedback(refusal, 429)
        return label

    def _deployment_of(self, feedback: FeedbackBody) -> str:
        served = self._routing.routes
        if feedback.deployment and feedback.deployment not in served:
            raise BadFeedback(f"deployment: got {feedback.deployment[:200]!r}, allowed: one that is served here")
        if feedback.deployment or feedback.prediction_id:
            return feedback.deployment or self._prediction_log.deployment_of(feedback.prediction_id)
        if len(served) != 1:
            raise BadFeedback("deployment: none named, allowed: the one that served the unit")
        return next(iter(served))


def _source(claimed: str, caller: Claims | None) -> str:
    """Return who sent the feedback: the token's name, and behind it what the sender says of itself."""
    if caller is None:
        return claimed
    return f"{caller.name} (said to be {claimed})" if claimed and claimed != caller.name else caller.name


def _check(feedback: FeedbackBody) -> None:
    if bool(feedback.prediction_id) == (feedback.unit != ""):
        raise BadFeedback("prediction_id, unit: one of them")
    if len(feedback.prediction_id) > _MAX_ID or len(str(feedback.unit)) > _MAX_UNIT:
        raise BadFeedback(f"prediction_id: at most {_MAX_ID} characters, unit: at most {_MAX_UNIT}")
    if len(feedback.idempotency_key) > _MAX_NAME:
        raise BadFeedback(f"idempotency_key: at most {_MAX_NAME} characters")
    if not 0 < len(feedback.name) <= _MAX_NAME:
        raise BadFeedback(f"name: 1 to {_MAX_NAME} characters")
    if not 0 <= feedback.row < 2**31:
        raise BadFeedback(f"row: got {feedback.row}, allowed: a whole number from 0")
    if isinstance(feedback.value, float) and not math.isfinite(feedback.value):
        raise BadFeedback("value: a finite number, text or a boolean")
    if max(len(feedback.source), len(str(feedback.value)) if isinstance(feedback.value, str) else 0) > _MAX_TEXT:
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
