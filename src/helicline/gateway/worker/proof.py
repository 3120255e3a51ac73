"""Before a revision takes traffic: shows that the fast way equals the slow one and calls may be joined."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from helicline.gateway.worker.model import serving_example
from helicline.gateway.worker.predictor import Predictor, Way
from helicline.protocol.scoring.decode import Row

RTOL = 1e-6
_SYNTHETIC_ROWS = 8


class Unsound(Exception):
    """The model fails on the very example it was saved with."""


def prove(predictor: Predictor) -> None:
    """Set the way plain rows go, whether calls may be joined, and the reason.

    Raises:
        Unsound: the model's own example makes it fail.
    """
    if not predictor.reader.able:
        predictor.reason = "inputs are not all required scalars or one numeric matrix: each call goes through pyfunc"
        return
    example = serving_example(predictor.loaded.path)
    rows = predictor.reader.rows(example) if example else None
    own = rows is not None
    rows = rows or _synthetic(predictor)
    try:
        truth = predictor.rows(rows, way="pyfunc")
    except Exception as error:
        if own:
            raise Unsound(f"fails on its own input example: {type(error).__name__}: {error}") from error
        predictor.reason = "no input example to prove a faster way with"
        return
    source = "on the input example" if own else "on made-up rows (the model has no input example)"
    _choose(predictor, rows, truth=truth)
    predictor.reason = f"{predictor.way} way{', calls joined' if predictor.batchable else ''}: shown equal {source}"


def _choose(predictor: Predictor, rows: list[Row], *, truth: Any) -> None:
    for way in predictor.ways:
        if _equals(predictor, rows, truth=truth, way=way):
            predictor.way = way
            break
    predictor.batchable = _joinable(predictor, rows)


def _equals(predictor: Predictor, rows: list[Row], *, truth: Any, way: Way) -> bool:
    if way == "pyfunc":
        return True
    try:
        return same(predictor.rows(rows, way=way), truth)
    except Exception:
        # A fast way that a model cannot take (columns chosen by name, say) is simply not taken.
        return False


def _joinable(predictor: Predictor, rows: list[Row]) -> bool:
    several = (rows * 4)[:4]
    whole = predictor.rows(several)
    if not sliceable(whole, len(several)):
        return False
    parts = [predictor.rows([row]) for row in several]
    return all(same(part, piece(whole, at, end=at + 1)) for at, part in enumerate(parts))


def sliceable(output: Any, count: int) -> bool:
    """Return whether the output has one entry for each of `count` rows."""
    return (isinstance(output, np.ndarray) and output.ndim > 0 and len(output) == count) or (
        (hasattr(output, "iloc") or isinstance(output, list)) and len(output) == count
    )


def piece(output: Any, start: int, *, end: int) -> Any:
    """Return the rows `start` to `end` of an output."""
    return output.iloc[start:end] if hasattr(output, "iloc") else output[start:end]


def same(one: Any, other: Any) -> bool:
    """Return whether two outputs are equal: form, types and values (numbers within 1e-6 relative)."""
    if hasattr(one, "iloc") != hasattr(other, "iloc"):
        return False
    a, b = np.asarray(one), np.asarray(other)
    if a.shape != b.shape or a.dtype.kind != b.dtype.kind:
        return False
    if a.dtype.kind in "fc":
        return bool(np.allclose(a, b, rtol=RTOL, atol=1e-12, equal_nan=True))
    return bool(np.array_equal(a, b))


def _synthetic(predictor: Predictor) -> list[Row]:
    chance = np.random.default_rng(7)
    kinds = [c.type for c in predictor.signature.columns]
    if predictor.signature.matrix is not None:
        kinds = ["double" if predictor.reader.floats else "long"] * predictor.reader.width
    return [[_made_up(kind, chance) for kind in kinds] for _ in range(_SYNTHETIC_ROWS)]


def _made_up(kind: str, chance: np.random.Generator) -> Any:
    if kind in ("double", "float"):
        return float(np.float32(chance.normal()))
    if kind in ("long", "integer"):
        return int(chance.integers(0, 10))
    if kind == "boolean":
        return bool(chance.integers(0, 2))
    return "2026-01-05T09:00:00" if kind == "datetime" else "a"


def warm_up(predictor: Predictor, *, budget_s: float = 1.0) -> None:
    """Call the model some 20 times with 1, 8 and 64 rows, or until the time is used up."""
    if not predictor.reader.able or predictor.reason.startswith("no input example"):
        return
    example = serving_example(predictor.loaded.path)
    rows = (predictor.reader.rows(example) if example else None) or _synthetic(predictor)
    end = time.monotonic() + budget_s
    for turn in range(20):
        count = (1, 8, 64)[turn % 3]
        predictor.rows((rows * count)[:count])
        if time.monotonic() > end:
            return
