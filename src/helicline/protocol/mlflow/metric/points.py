"""The hottest bodies of this wire, decoded straight to records; whatever is unusual about one is left to `fields`."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from helicline.records.run import MetricPoint
from helicline.tracking.checks import RUN_ID

B = TypeVar("B", bound="LogMetric | LogBatch")


class WirePoint(MetricPoint, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A metric point as clients send it."""

    timestamp_ms: int = msgspec.field(name="timestamp")


class LogMetric(WirePoint, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    run_uuid: str = ""


class LogBatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    run_id: str
    metrics: list[WirePoint]
    params: list[None] = []
    tags: list[None] = []


_LOG_METRIC, _LOG_BATCH = msgspec.json.Decoder(LogMetric), msgspec.json.Decoder(LogBatch)


def log_metric_of(body: bytes) -> LogMetric | None:
    """Return the one point of a usual body, None where it is anything else."""
    return _usual(_LOG_METRIC, body)


def log_batch_of(body: bytes) -> LogBatch | None:
    """Return the points of a body that holds nothing but points, None where it is anything else."""
    return _usual(_LOG_BATCH, body)


def _usual(decoder: msgspec.json.Decoder[B], body: bytes) -> B | None:
    if b"\\u0000" in body:
        return None
    try:
        decoded = decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    points = decoded.metrics if isinstance(decoded, LogBatch) else [decoded]
    plain = all(point.key and not (point.dataset_name or point.dataset_digest or point.model_id) for point in points)
    return decoded if plain and RUN_ID.fullmatch(decoded.run_id) else None
