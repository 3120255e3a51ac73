"""Metrics of the loop file: user code, whose result may be one number, one a row, or one a group."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from helicline.engine.measuring.measured import Judged, Measured, of_all, of_groups, of_rows
from helicline.errors import Invalid

Array = np.ndarray[Any, Any]
Function = Callable[[Any, Any], Any]
ALLOWED = "a number, one for each row, or a mapping of groups to numbers"


class TooLong(BaseException):
    """A metric that takes too long; no `except Exception` of its own keeps it running."""


def measured(function: Function, name: str, judged: Judged, *, group: str, seconds: float) -> Measured:
    """Call the function and return what it gave.

    Raises:
        Invalid: it raises, takes longer than `seconds`, or gives something else than finite numbers.
    """
    frame, answer = judged.frame.reset_index(drop=True), judged.model.answer(judged.rows)
    groups = judged.groups(group)[0] if group else None
    field = f"metric {name}"
    result = _called(function, field, frame, answer=answer, seconds=seconds)
    if isinstance(result, Mapping):
        return of_groups(_numbers(field, list(result.values())), _keys(result.keys()))
    if np.ndim(result) == 0:
        return of_all(_number(field, result), _again(function, frame, answer), groups)
    if hasattr(result, "index") and not callable(result.index) and not _is_by_row(result, frame):
        return of_groups(_numbers(field, result), _keys(result.index))
    values = _numbers(field, result)
    if len(values) != len(frame):
        raise Invalid(field, f"{len(values)} values for {len(frame)} rows", ALLOWED)
    return of_rows(values, groups)


def _called(function: Function, field: str, frame: Any, *, answer: Any, seconds: float) -> Any:
    """Return the function's result of copies: what it changes of its arguments is not what is judged."""
    try:
        with time_limit(seconds):
            return function(frame.copy(), answer.copy())
    except TooLong:
        raise Invalid(field, f"no result after {seconds:.0f} s", "a metric that takes less") from None
    except (Exception, SystemExit) as error:  # user code raises what it likes, and fails its gate alone
        traceback.print_exc()
        raise Invalid(field, f"{type(error).__name__}: {error}"[:300], "a function that gives a number") from None


def _again(function: Function, frame: Any, answer: Any) -> Callable[[Array], float]:
    def again(rows: Array) -> float:
        part = answer.iloc[rows].reset_index(drop=True) if hasattr(answer, "iloc") else answer[rows]
        try:
            return float(function(frame.iloc[rows].reset_index(drop=True), part))
        except Exception as error:  # a resample may be what the function is not made for: rows of one class only
            raise ValueError(str(error)) from None

    return again


def _is_by_row(result: Any, frame: Any) -> bool:
    """Tell whether a Series has a value for each row of the frame, not for each group."""
    return len(result) == len(frame) and bool((np.asarray(result.index) == np.asarray(frame.index)).all())


def _keys(keys: Any) -> Array:
    array = np.empty(len(keys), dtype=object)
    array[:] = list(keys)
    return array


def _number(field: str, result: Any) -> float:
    return float(_numbers(field, [result])[0])


def _numbers(field: str, values: Any) -> Array:
    """Return a result as finite numbers. Raises Invalid where it is none, is text, or has gaps."""
    try:
        if any(isinstance(value, str | bytes) or value is None for value in np.asarray(values, dtype=object).ravel()):
            raise TypeError
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise Invalid(field, repr(values if len(values) != 1 else values[0])[:80], ALLOWED) from None
    if array.ndim != 1 or not len(array):
        raise Invalid(field, f"an array of shape {array.shape}", ALLOWED)
    bad = int((~np.isfinite(array)).sum())
    if bad:
        text = str(array[0]) if len(array) == 1 else f"{bad} of {len(array)} values that are no finite numbers"
        raise Invalid(field, text, "finite numbers")
    return array


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TooLong in the block once so many seconds have passed; in the main thread, where signals arrive."""

    def stop(*_: Any) -> None:
        raise TooLong

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
