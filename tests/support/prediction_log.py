"""A prediction log written by a test: lines and labels as the gateway appends them, sealed as its sealer does."""

from datetime import UTC, datetime

import numpy as np

from helicline.gateway.worker import log as worker_log
from helicline.serving.prediction_log.seal import closed_segments, seal
from helicline.serving.prediction_log.segment import Label, Line, Schema, SegmentWriter, framed

NOW = datetime.now(UTC)
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


SCHEMA = Schema("churn", 1, (("f_a", "double"), ("f_n", "long")))


class Log:
    def __init__(self, home):
        self.home = home
        self.sealed = []

    def write(self, *records, kind="predictions"):
        writer = SegmentWriter(self.home / "log", kind)
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

    def add(self, *records, kind="predictions"):
        self.write(*records, kind=kind)
        self.seal()
