"""Model performance over predictions with labels."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import numpy as np

from helicline.errors import Invalid
from helicline.records.monitor import Finding, MonitorSpec, Severity

Columns = dict[str, np.ndarray[Any, Any]]
MAX_Z = 3.0
CRITICAL_LOSS = 0.05
METRICS = ("accuracy", "r2")


def chosen(rows: Columns, *, revision: int, since: datetime) -> Columns:
    """Return the rows of one revision since a time."""
    start = np.datetime64(since.replace(tzinfo=None), "us")
    if not len(rows["label"]):
        return rows
    selected = (rows["revision"] == revision) & (rows["ts"].astype("datetime64[us]") >= start)
    return {name: values[selected] for name, values in rows.items()}


def correct(predictions: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return 1.0 where prediction and label are the same text or the same number, else 0.0."""
    return np.array(
        [_same(str(prediction), str(label)) for prediction, label in zip(predictions, labels, strict=True)], dtype=float
    )


def _same(prediction: str, label: str) -> bool:
    if prediction == label:
        return True
    try:
        return float(prediction) == float(label)
    except ValueError:
        return prediction.lower() == label.lower()


def findings(spec: MonitorSpec, rows: Columns) -> list[Finding]:
    """Return a finding for the metric: bad only where it is significantly and materially below `at_least`."""
    if spec.metric not in METRICS:
        raise Invalid("performance metric", spec.metric, ", ".join(METRICS))
    if len(rows["label"]) < 2 or spec.at_least is None:
        return []
    value, spread = _accuracy(rows) if spec.metric == "accuracy" else _r2(rows)
    z_score = (spec.at_least - value) / max(spread, 1e-9)
    loss = (spec.at_least - value) / abs(spec.at_least) if spec.at_least else 0.0
    severity: Severity = "ok"
    if value < spec.at_least:
        severity = "info" if z_score <= MAX_Z else "critical" if loss >= CRITICAL_LOSS else "warning"
    return [
        Finding(
            column=spec.metric,
            statistic="value",
            value=value,
            threshold=spec.at_least,
            p_value=0.5 * math.erfc(z_score / math.sqrt(2)),
            severity=severity,
            window_count=len(rows["label"]),
            reference_count=0,
            detail=f"{value:.3f} ± {1.96 * spread:.3f}, asked for at least {spec.at_least:g}",
        )
    ]


def _accuracy(rows: Columns) -> tuple[float, float]:
    hits = correct(rows["prediction"], rows["label"])
    rate, count = float(hits.mean()), len(hits)
    smoothed = (hits.sum() + 1) / (count + 2)  # keeps the spread above 0 where all predictions are right, or all wrong
    return rate, math.sqrt(smoothed * (1 - smoothed) / count)


def _r2(rows: Columns) -> tuple[float, float]:
    truth, predicted = rows["label"].astype(float), rows["prediction"].astype(float)
    errors, total = (truth - predicted) ** 2, float(((truth - truth.mean()) ** 2).mean()) or 1e-12
    return 1 - float(errors.mean()) / total, float(errors.std()) / total / math.sqrt(len(errors))
