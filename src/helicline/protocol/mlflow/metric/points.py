"""The fast path of `log-metric` and `log-batch`: usual bodies become records directly; `fields` decodes others."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from helicline.records.run import MetricPoint
from helicline.tracking.checks import RUN_ID

B = TypeVar("B", bound="LogMetric | LogBatch")


class WirePoint(MetricPoint, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A metric point in MLflow's JSON."""

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
    """Return the point of a usual body, or None where `fields` must decode the body."""
    return _decode(_LOG_METRIC, body)


def log_batch_of(body: bytes) -> LogBatch | None:
    """Return the points of a body that has only points, or None where `fields` must decode the body."""
    return _decode(_LOG_BATCH, body)


def _decode(decoder: msgspec.json.Decoder[B], body: bytes) -> B | None:
    if b"\\u0000" in body:
        return None
    try:
        decoded = decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    points = decoded.metrics if isinstance(decoded, LogBatch) else [decoded]
    usual = all(point.key and not (point.dataset_name or point.dataset_digest or point.model_id) for point in points)
    return decoded if usual and RUN_ID.fullmatch(decoded.run_id) else None
