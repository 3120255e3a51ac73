"""Models that have answered, for tests of what is measured of their answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from helicline.engine.judged_model import _named
from helicline.engine.measuring.measured import Judged


class Answered:
    """What the judge asks of a model, answered beforehand."""

    name = "shop/1"

    def __init__(self, answer: Any, *, classes: tuple[Any, ...] = (), scores: Any = None) -> None:
        self._answer, self.classes, self._scores = answer, list(classes), scores

    def answer(self, rows: pd.DataFrame) -> Any:
        return _named(self._answer, np.empty(len(rows))) if isinstance(self._answer, dict) else self._answer

    def predict(self, _rows: pd.DataFrame) -> Any:
        return self._answer

    def scores(self, _rows: pd.DataFrame) -> Any:
        return self._scores


def judged(answer: Any, frame: pd.DataFrame, **more: Any) -> Judged:
    """Return a model that has answered the rows of a frame, whose truth is its column `label`, if it has it."""
    truth = frame["label"].to_numpy() if "label" in frame else None
    rows = frame.drop(columns=["label"], errors="ignore")
    return Judged(Answered(answer, **more), rows, frame, truth)  # type: ignore[arg-type]


def lists(*rows: Any) -> Any:
    """Return an array of lists, whatever their lengths."""
    array = np.empty(len(rows), dtype=object)
    array[:] = [list(row) for row in rows]
    return array
