"""One prediction call: sent to its revision, replayed on stable if a candidate fails it, counted and logged."""

from __future__ import annotations

import logging
import time

import msgspec

from helicline.gateway.fleet.dispatcher import NotTaken
from helicline.gateway.fleet.replica import Replica
from helicline.gateway.fleet.replicas import Replicas
from helicline.gateway.fleet.worker_connection import Loss, WorkerConnection
from helicline.gateway.front.call_record import CallSpec, Outcome, line_of, response_headers
from helicline.gateway.front.deadly_requests import DeadlyRequests, why_refused
from helicline.gateway.front.refusal import refuse
from helicline.gateway.front.request import BINARY, HEAD_LENGTH, JSON
from helicline.gateway.prediction_log import PredictionLog
from helicline.gateway.variant_counters import VariantCounters
from helicline.gateway.worker.frames import BINARY_OUTPUT, RESULT, USER_FAULT, Frame, cut_head_length, deadline_at

_log = logging.getLogger("helicline.gateway")
_CANDIDATE_SHARE = 0.5
_CLIENT_LEFT = 499  # the status that web servers log for a client that did not wait; no client ever gets it


class CallContext(msgspec.Struct, frozen=True, kw_only=True):
    """What every call uses of the gateway."""

    replicas: Replicas
    counters: VariantCounters
    prediction_log: PredictionLog
    deadly: DeadlyRequests


class Call:
    """Carries a call to its answer; exactly one answer is sent whatever happens.

    `revision` is the one that the call is sent to: the assigned one, stable after the candidate failed, or previous
    while stable is down. `reason` tells why another revision than the assigned one answers; it is '' otherwise.
    `suspect` tells that a worker ended or hung while it had the call.
    """

    __slots__ = (
        "_abandoned",
        "_context",
        "_spec",
        "_suspect_at",
        "end",
        "expires_at",
        "is_candidate",
        "reason",
        "revision",
        "suspect",
    )

    def __init__(self, spec: CallSpec, context: CallContext) -> None:
        self._spec, self._context = spec, context
        self.is_candidate = spec.is_candidate
        self.revision = spec.revision
        self.reason = ""
        self.suspect, self._suspect_at = False, 0
        self._abandoned = False
        self.end = time.monotonic() + spec.timeout_s
        self.expires_at = self.end

    @property
    def _can_fall_back(self) -> bool:
        return self.is_candidate and not self.reason and not self._spec.pinned

    def start(self) -> None:
        """Send the call to the assigned revision; a candidate gets half of the time, so that stable has the rest."""
        self._spec.request.on_client_left = self._client_left
        if self._can_fall_back:
            self.expires_at = time.monotonic() + self._spec.timeout_s * _CANDIDATE_SHARE
        self.send()

    def send(self) -> None:
        """Send the call to its revision, or hold it while the worker restarts."""
        why = self._context.deadly.refusal(self._spec.route.deployment, self.revision, self._spec.request.body)
        if why:
            self._refuse_as_deadly(why)
            return
        replica = self._replica(self.revision)
        if self._can_fall_back and (replica is None or replica.connection is None):
            self._fall_back("not_ready")
            return
        if self._previous_answers(replica):
            self._send_to_previous()
            return
        not_taken = replica.submit(self) if replica is not None else "down"
        if not_taken is None:
            return
        if self._can_fall_back:
            self._fall_back("overloaded")
        else:
            self._refuse(replica, not_taken)

    def _replica(self, revision: int) -> Replica | None:
        return self._context.replicas.get(self._spec.route.deployment, revision)

    def _previous_answers(self, stable: Replica | None) -> bool:
        """Return whether stable is down and previous is ready; a suspect waits for stable as long as it may come."""
        route = self._spec.route
        if self._spec.pinned or not route.previous or self.revision != route.stable:
            return False
        if stable is not None and (stable.connection is not None or (self.suspect and not stable.is_down)):
            return False
        previous = self._replica(route.previous)
        return previous is not None and previous.connection is not None

    def _send_to_previous(self) -> None:
        if not self.reason:
            self._count_failure()
            self.reason = "stable_down"
        self.revision = self._spec.route.previous
        self.send()

    def _refuse(self, replica: Replica | None, not_taken: NotTaken) -> None:
        name = f"revision {self.revision} of {self._spec.route.deployment!r}"
        if replica is None:
            self._fail(503, f"{name} is not loaded here")
        elif not_taken == "down":
            self._fail(503, f"{name} is {replica.state}" + (f": {replica.reason}" if replica.reason else ""))
        elif not_taken == "full":
            why = f"{name} has too many calls waiting; try again later"
            self._fail(503, why, retry_after_s=replica.retry_after_s)
        else:
            why = f"{name} cannot answer within {self._spec.timeout_s:g} s: {replica.waiting_count} calls wait for it"
            self._fail(503, why, retry_after_s=replica.retry_after_s)

    def too_late(self) -> None:
        """Handle that the worker comes to the call only after its time."""
        replica = self._replica(self.revision)
        if self._can_fall_back:
            self._fall_back("overloaded")
        else:
            self._refuse(replica, "late")

    def send_over(self, connection: WorkerConnection) -> int:
        """Write the call to a worker; return the number that the connection gave it."""
        return connection.send_call(
            self,
            self._spec.kind,
            deadline=deadline_at(self.expires_at),
            meta=self._spec.prediction_id.encode(),
            body=self._spec.frame_body,
        )

    def answered(self, frame: Frame) -> None:
        """Handle the worker's answer."""
        if frame.kind == RESULT:
            self._succeed(frame)
        elif frame.flags & USER_FAULT:
            if self._can_fall_back:
                self._send_to_stable("rejected")
            else:
                self._blame_caller(frame)
        elif self._can_fall_back:
            self._fall_back("timeout" if frame.number == 504 else "error")
        else:
            self._count_own_failure()
            self._log(frame.number, b"", batch_rows=0)
            self._respond(frame.number, frame.body)

    def worker_lost(self, loss: Loss) -> None:
        """Send the call again, once, since its worker ended or hung before it answered."""
        if self.suspect:
            self._note_as_deadly()
            return
        self.suspect, self._suspect_at = True, self.revision
        if self._abandoned:
            self._log(_CLIENT_LEFT, b"", batch_rows=0)
            return
        if self._can_fall_back:
            self._fall_back(loss)
        else:
            self.send()

    def _client_left(self) -> None:
        """Forget the call if it still waits; what a worker has begun cannot be stopped, but is not begun again."""
        self._abandoned = True
        replica = self._replica(self.revision)
        if replica is not None and replica.discard(self):
            self._log(_CLIENT_LEFT, b"", batch_rows=0)

    def _note_as_deadly(self) -> None:
        """Refuse the call, and others of this body: the worker that it was sent to alone has ended as the first had."""
        deployment, request = self._spec.route.deployment, self._spec.request
        for revision in {self._suspect_at, self.revision}:
            digest = self._context.deadly.add(deployment, revision, request.body)
        _log.error(
            "prediction %s of %s from %s (%s, %s) ended a worker of %s#%d twice; its body (digest %s) is refused",
            *(self._spec.prediction_id, deployment, request.peer, request.header(b"user-agent") or "no user agent"),
            f"token {request.caller.name}" if request.caller is not None else "no token",
            *(deployment, self.revision, digest),
        )
        replica = self._replica(self.revision)
        if replica is not None:
            replica.forgive_crash()
        self._refuse_as_deadly(why_refused(deployment, self.revision, digest=digest))

    def _refuse_as_deadly(self, why: str) -> None:
        self._count_user_error()
        self._log(422, b"", batch_rows=0)
        refuse(self._spec.request, self._spec.kind, status=422, why=why)

    def expired(self) -> None:
        """Replay the call on stable, or answer 504: its time is up."""
        if self._can_fall_back:
            self._fall_back("timeout")
        else:
            self._fail(504, f"no answer within {self._spec.timeout_s:g} s")

    def _fall_back(self, reason: str) -> None:
        self._count_failure()
        self._send_to_stable(reason)

    def _send_to_stable(self, reason: str) -> None:
        """Replay on stable; where the candidate rejected the input, stable's answer shows whose fault it was."""
        self.reason = reason
        self.revision = self._spec.route.stable
        self.expires_at = self.end
        self.send()

    def _succeed(self, frame: Frame) -> None:
        latency_us = self._spec.request.age_us()
        if self.reason:
            if self.reason == "rejected":
                self._count_failure()
            self._context.counters.of(self._spec.counter_key).replayed += 1
        elif not self._spec.pinned:
            counter = self._context.counters.of(self._spec.counter_key)
            counter.observe(latency_us, slow_us=self._spec.route.slow_ms * 1000)
        self._respond(200, frame.body, flags=frame.flags)
        self._log(200, frame.meta, batch_rows=frame.number, latency_us=latency_us)

    def _blame_caller(self, frame: Frame) -> None:
        self._count_user_error()
        self._respond(frame.number, frame.body)

    def _count_user_error(self) -> None:
        if self.reason in ("", "rejected") and not self._spec.pinned:
            self._context.counters.of(self._spec.counter_key).user_errors += 1

    def _count_own_failure(self) -> None:
        if not self.reason and not self._spec.pinned:
            self._count_failure()

    def _count_failure(self) -> None:
        counter = self._context.counters.of(self._spec.counter_key)
        counter.observe(self._spec.request.age_us(), slow_us=self._spec.route.slow_ms * 1000)
        counter.errors += 1

    def _fail(self, status: int, why: str, *, retry_after_s: int = 1) -> None:
        self._count_own_failure()
        self._log(status, b"", batch_rows=0)
        refuse(self._spec.request, self._spec.kind, status=status, why=why, retry_after_s=retry_after_s)

    def _respond(self, status: int, body: bytes, *, flags: int = 0) -> None:
        replica = self._replica(self.revision)
        version = replica.order.model_version if replica is not None else 0
        headers = response_headers(self._spec, served_by=self.revision, version=version, reason=self.reason)
        media_type = JSON
        if flags & BINARY_OUTPUT:
            head_length, body = cut_head_length(body)
            media_type, headers = BINARY, (*headers, (HEAD_LENGTH, b"%d" % head_length))
        self._spec.request.respond(status, body, media_type=media_type, headers=headers)

    def _log(self, status: int, entry: bytes, *, batch_rows: int, latency_us: int = -1) -> None:
        replica = self._replica(self.revision)
        outcome = Outcome(
            status=status,
            served_by=self.revision,
            order=replica.order if replica is not None else None,
            reason=self.reason,
            batch_rows=batch_rows,
            latency_us=self._spec.request.age_us() if latency_us < 0 else latency_us,
            entry=entry,
        )
        self._context.prediction_log.append(line_of(self._spec, outcome))
