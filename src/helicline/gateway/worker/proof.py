"""Before a revision takes traffic: shows that the fast path gives what pyfunc gives, and that calls may run as one."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from helicline.gateway.worker.join import slice_output, sliceable
from helicline.gateway.worker.model import PredictionPath, Predictor, serving_example
from helicline.protocol.scoring.decode import Row

RTOL = 1e-6
PROOF_CALL_S = 1.0  # a proof takes some ten calls
_SYNTHETIC_ROWS = 8


class Unsound(Exception):
    """The model fails on the very example it was saved with."""


def prove(predictor: Predictor, *, longest_call_s: float = PROOF_CALL_S) -> None:
    """Set the predictor's path, whether calls may be joined, and the reason; a slower model is not proven.

    Raises:
        Unsound: the model's own example makes it fail.
    """
    if not predictor.reader.able:
        predictor.reason = "inputs are not all required scalars or one numeric matrix: each call goes through pyfunc"
        return
    example = serving_example(predictor.loaded.folder)
    rows = predictor.reader.rows(example) if example else None
    from_example = rows is not None
    rows = rows or _synthetic_rows(predictor)
    began = time.monotonic()
    try:
        expected = predictor.predict_rows(rows, path="pyfunc")
    except Exception as error:
        if from_example:
            raise Unsound(f"fails on its own input example: {type(error).__name__}: {error}") from error
        predictor.reason = "no input example to prove a faster way with"
        return
    if (took_s := time.monotonic() - began) > longest_call_s:
        predictor.reason = f"pyfunc way: a call takes {took_s:.1f} s, too long to prove a faster way with"
        return
    source = "on the input example" if from_example else "on made-up rows (the model has no input example)"
    predictor.is_proven = True
    refusal = _choose_path(predictor, rows, expected=expected)
    predictor.reason = f"{predictor.path} way{', calls joined' if predictor.batchable else ''}: shown equal {source}"
    if refusal:
        predictor.reason += f"; calls are not joined: {refusal}"


def _choose_path(predictor: Predictor, rows: list[Row], *, expected: Any) -> str:
    """Set the way and whether calls are joined; return why the model could not be asked whether they may be."""
    for path in predictor.paths:
        if _equals(predictor, rows, expected=expected, path=path):
            predictor.path = path
            break
    try:
        predictor.batchable = _joinable(predictor, rows)
    except Exception as error:
        # The rows are ours, in numbers that it may not take: some need several, some refuse what they never saw.
        return f"{type(error).__name__}: {error}"[:300]
    return ""


def _equals(predictor: Predictor, rows: list[Row], *, expected: Any, path: PredictionPath) -> bool:
    if path == "pyfunc":
        return True
    try:
        return outputs_equal(predictor.predict_rows(rows, path=path), expected)
    except Exception:
        # A fast path that the model fails on (it chooses columns by name, say) is not used.
        return False


def _joinable(predictor: Predictor, rows: list[Row]) -> bool:
    four_rows = (rows * 4)[:4]
    joined_output = predictor.predict_rows(four_rows)
    if not sliceable(joined_output, len(four_rows)):
        return False
    single_outputs = [predictor.predict_rows([row]) for row in four_rows]
    return all(
        outputs_equal(output, slice_output(joined_output, index, end=index + 1))
        for index, output in enumerate(single_outputs)
    )


def outputs_equal(first: Any, second: Any) -> bool:
    """Return whether two outputs are equal: form, types and values (numbers within 1e-6 relative)."""
    if hasattr(first, "iloc") != hasattr(second, "iloc"):
        return False
    a, b = np.asarray(first), np.asarray(second)
    if a.shape != b.shape or a.dtype.kind != b.dtype.kind:
        return False
    if a.dtype.kind in "fc":
        return bool(np.allclose(a, b, rtol=RTOL, atol=1e-12, equal_nan=True))
    return bool(np.array_equal(a, b))


def _synthetic_rows(predictor: Predictor) -> list[Row]:
    random = np.random.default_rng(7)
    kinds = [column.type for column in predictor.signature.columns]
    if predictor.signature.matrix is not None:
        kinds = ["double" if predictor.reader.floats else "long"] * predictor.reader.width
    return [[_synthetic_value(kind, random) for kind in kinds] for _ in range(_SYNTHETIC_ROWS)]


def _synthetic_value(kind: str, random: np.random.Generator) -> Any:
    if kind in ("double", "float"):
        return float(np.float32(random.normal()))
    if kind in ("long", "integer"):
        return int(random.integers(0, 10))
    if kind == "boolean":
        return bool(random.integers(0, 2))
    return "2026-01-05T09:00:00" if kind == "datetime" else "a"


def warm_up(predictor: Predictor, *, budget_s: float = 1.0) -> None:
    """Call the model some 20 times with 1, 8 and 64 rows, or until the time is used up; it may refuse such calls."""
    if not predictor.reader.able or not predictor.is_proven:
        return
    example = serving_example(predictor.loaded.folder)
    rows = (predictor.reader.rows(example) if example else None) or _synthetic_rows(predictor)
    end = time.monotonic() + budget_s
    for attempt in range(20):
        row_count = (1, 8, 64)[attempt % 3]
        try:
            predictor.predict_rows((rows * row_count)[:row_count])
        except Exception as error:
            predictor.reason += f"; not warmed up with {row_count} rows: {type(error).__name__}: {error}"[:300]
            return
        if time.monotonic() > end:
            return
