"""A prediction log written by a test: lines and labels as the gateway appends them, sealed as its sealer does."""

import itertools
import uuid
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from helicline.gateway.worker import log as worker_log
from helicline.records.deployment import Rollout, RolloutPlan
from helicline.serving.prediction_log import names, profiles
from helicline.serving.prediction_log.seal import closed_segments, seal
from helicline.serving.prediction_log.segment import Label, Line, Schema, SegmentWriter, framed

NOW = datetime.now(UTC)
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NUMBERS = itertools.count()
MICROS = int(NOW.timestamp() * 1e6)


def line(prediction_id, packed=b"", **more):
    fields = {
        "prediction_id": prediction_id,
        "ts_us": MICROS,
        "deployment": "churn",
        "revision": 1,
        "model": "m",
        "model_version": 7,
        "variant": "stable",
        "served_by": 1,
        "fallback_reason": "",
        "rollout": 0,
        "stage": 0,
        "weight_bp": 10_000,
        "unit_key_hash": "00",
        "protocol": "mlflow",
        "status": 200,
        "batch_rows": 1,
        "latency_us": 100,
        "packed": packed,
    }
    return Line(**{**fields, **more})


def packed(matrix, output):
    return worker_log.pack(np.array(matrix, dtype=float), np.array(output), row_count=len(matrix))


def label(prediction_id, value, at=0, deployment="churn", **more):
    fields = {"row": 0, "name": "label", "ts_us": MICROS, "source": "test"}
    return Label(
        **{**fields, **more},
        deployment=deployment,
        prediction_id=prediction_id,
        value=value,
        received_us=MICROS + at,
    )


def micros(moment):
    return int(moment.timestamp() * 1e6)


def id_of(moment, number=0):
    millis = int(moment.timestamp() * 1000)
    return str(uuid.UUID(int=millis << 80 | 0x7 << 76 | 0x2 << 62 | number))


def call(moment, prediction_id="", number=0, **more):
    content = packed([[number, number]], [number])
    return line(prediction_id or id_of(moment, number), content, ts_us=micros(moment), **more)


def outcome(moment, prediction_id, value="1", **more):
    return msgspec.structs.replace(label(prediction_id, value, **more), received_us=micros(moment))


def rename_as_before(path):
    """Give a file the name that earlier versions gave it: its segment's id."""
    segment_id = id_of(names.moment_of(path.name[:21]), next(NUMBERS))
    target = path.with_name(f"{segment_id}.parquet")
    path.rename(target)
    if profiles.beside(path).exists():
        profiles.beside(path).rename(profiles.beside(target))
    return target


def spoil(files):
    """Make files unreadable: whoever opens one fails."""
    for path in files:
        path.write_bytes(b"not Parquet")


def rollout(number, created_at):
    """Return a rollout of the deployment that is under way."""
    return Rollout(
        deployment="churn",
        number=number,
        stable=1,
        candidate=2,
        state="PROGRESSING",
        plan=RolloutPlan(steps=()),
        created_at=created_at,
        created_by="test",
        wake_at=None,
    )


SCHEMA = Schema("churn", 1, (("f_a", "double"), ("f_n", "long")))


class Log:
    def __init__(self, home):
        self.home = home
        self.sealed = []

    def write(self, *records, kind="predictions", opened_at=None):
        """Write a segment that was opened then, by default when its last record came."""
        moments = [getattr(record, "ts_us" if kind == "predictions" else "received_us", 0) for record in records]
        opened_at = opened_at or names.moment_at(max(moments, default=0))
        writer = SegmentWriter(self.home / "log", kind, new_id=lambda: id_of(opened_at, next(NUMBERS)))
        for record in records:
            writer.append(framed(record))
        writer.rotate()

    def seal(self):
        for segment in closed_segments(self.home / "log"):
            seal(
                segment,
                self.home / "tables",
                on_sealed=lambda path, columns: self.sealed.append((path, columns)),
            )

    def add(self, *records, kind="predictions", opened_at=None):
        self.write(*records, kind=kind, opened_at=opened_at)
        self.seal()
