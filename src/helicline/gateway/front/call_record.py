"""What is known of a call: what was asked, how it ended, and the line of the prediction log made of both."""

from __future__ import annotations

import time

import msgspec

from helicline.gateway.front.refusal import PROTOCOL_NAMES
from helicline.gateway.front.request import Request
from helicline.gateway.variant_counters import VariantKey
from helicline.gateway.worker.frames import OIP_BINARY, with_head_length
from helicline.records.deployment import RevisionSpec, Route
from helicline.serving.assignment import key_hash, point
from helicline.serving.prediction_log.segment import Line


class CallSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A call as parsed from its request. A `pinned` call names its version and is not counted for a rollout.

    `head_length` is that of the JSON head of a body in the binary form of tensors.
    """

    request: Request
    kind: int
    route: Route
    revision: int
    prediction_id: str
    key: str
    timeout_s: float
    pinned: bool = False
    head_length: int = 0

    @property
    def frame_body(self) -> bytes:
        """The body as it is sent to a worker."""
        return with_head_length(self.head_length, self.request.body) if self.kind == OIP_BINARY else self.request.body

    @property
    def is_candidate(self) -> bool:
        return self.revision != self.route.stable

    @property
    def counter_key(self) -> VariantKey:
        """The counter of the assigned variant."""
        return (self.route.deployment, self.revision, self.route.rollout, self.route.stage)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a call ended. `order` is what the gateway knows of the revision that answered, None for nothing."""

    status: int
    served_by: int
    order: RevisionSpec | None
    reason: str
    batch_rows: int
    latency_us: int
    entry: bytes


def response_headers(spec: CallSpec, *, served_by: int, version: int, reason: str) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers that tell which prediction this is, and who made it; `reason` as that of `Call`."""
    headers = (
        (b"x-prediction-id", spec.prediction_id.encode()),
        (b"x-variant", b"candidate" if spec.is_candidate else b"stable"),
        (b"x-model-version", b"%d" % version),
        (b"x-served-by", b"%d" % served_by),
    )
    return (*headers, (b"x-fallback-reason", reason.encode())) if reason else headers


def line_of(spec: CallSpec, outcome: Outcome) -> Line:
    """Return the line of the prediction log."""
    route, order, pinned = spec.route, outcome.order, spec.pinned
    return Line(
        spec.prediction_id,
        time.time_ns() // 1000 - outcome.latency_us,
        route.deployment,
        spec.revision,
        order.model if order is not None else "",
        order.model_version if order is not None else 0,
        "candidate" if spec.is_candidate else "stable",
        outcome.served_by,
        outcome.reason,
        0 if pinned else route.rollout,
        0 if pinned else route.stage,
        0 if pinned else weight_of(route, spec.revision),
        "" if spec.key == spec.prediction_id else key_hash(spec.key, route.deployment),
        PROTOCOL_NAMES[spec.kind],
        outcome.status,
        outcome.batch_rows,
        outcome.latency_us,
        outcome.entry,
        point(spec.key, route.salt) if route.rollout and not pinned else -1,
    )


def weight_of(route: Route, revision: int) -> int:
    """Return the revision's share of traffic in basis points."""
    for variant in route.variants:
        if variant.revision == revision:
            return variant.weight_bp
    return 10_000 - sum(variant.weight_bp for variant in route.variants) if revision == route.stable else 0
