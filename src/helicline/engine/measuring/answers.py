"""What a model answered, read as the values that a metric needs: one of several outputs, or a quantile."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from helicline.errors import Invalid

Array = np.ndarray[Any, Any]
NUMBER = re.compile(r"\d*\.?\d+")


def output_of(answer: Any, name: str) -> Any:
    """Return the output of that name, or the only one; an array by row, of one value or list each.

    Raises:
        Invalid: there is no such output, or there are several and none is named.
    """
    names = names_of(answer)
    if not names:
        if name:
            raise Invalid("output", name, "the name of an output; the model answers one value a row, without a name")
        return answer if hasattr(answer, "dtype") else np.asarray(answer)
    if name and name not in names:
        raise Invalid("output", name, f"an output of the model: {', '.join(names)}")
    if not name and len(names) > 1:
        raise Invalid("output", "none is named", f"output=..., one of {', '.join(names)}")
    return _column(answer, name or names[0])


def names_of(answer: Any) -> list[str]:
    """Return the names of a model's outputs, none where it answers without names."""
    if hasattr(answer, "columns"):
        return [str(column) for column in answer.columns]
    if answer.dtype == object and len(answer) and all(isinstance(row, dict) for row in answer):
        return [str(name) for name in answer[0] if all(name in row for row in answer)]
    return []


def _column(answer: Any, name: str) -> Array:
    if hasattr(answer, "columns"):
        return np.asarray(answer.iloc[:, [str(column) for column in answer.columns].index(name)])
    return as_objects([{str(key): value for key, value in row.items()}[name] for row in answer])


def as_objects(values: Any) -> Array:
    """Return values as an array of one entry each, whatever they are."""
    array = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        array[place] = value
    return np.array(array.tolist()) if all(np.isscalar(value) for value in array) else array


def from_json(answer: Any) -> Any:
    """Return answers that are texts of JSON objects or lists as these, all others unchanged."""
    texts = getattr(answer, "dtype", None) is not None and answer.ndim == 1 and answer.dtype.kind in "OU"
    if not texts or not all(isinstance(text, str) and text.lstrip()[:1] in ("{", "[") for text in answer):
        return answer
    try:
        return as_objects([json.loads(text) for text in answer])
    except ValueError:
        return answer


def are_lists(values: Array) -> bool:
    """Tell whether each row is a list."""
    return values.ndim == 2 or (
        values.dtype == object
        and bool(len(values))
        and all(isinstance(row, list | tuple | set | np.ndarray) for row in values)
    )


def numbers(field: str, values: Array) -> Array:
    """Return values as numbers. Raises Invalid where they are none, or are missing."""
    try:
        as_numbers = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise Invalid(field, f"{type(values[0]).__name__} {values[0]!r}"[:80], "a number in each row") from None
    if as_numbers.ndim != 1:
        raise Invalid(field, f"{as_numbers.shape[-1]} values a row", "a number in each row")
    if not np.isfinite(as_numbers).all():
        raise Invalid(field, f"{(~np.isfinite(as_numbers)).sum()} that are no finite numbers", "a number in each row")
    return as_numbers


def quantile_of(answer: Any, level: float) -> Array:
    """Return the output that is the quantile of a level: its name has the level, like 0.1, q0.1, p10 or quantile_10.

    Raises:
        Invalid: no output of the model has it.
    """
    names = names_of(answer)
    named = [name for name in names if (own := level_in(name)) is not None and abs(own - level) < 1e-9]
    if len(named) != 1:
        outputs = ", ".join(names) if names else "outputs without names"
        raise Invalid("output", outputs, f"one whose name has the level {level:g}, like q{level:g} or p{level * 100:g}")
    return numbers(f"output {named[0]}", _column(answer, named[0]))


def level_in(name: str) -> float | None:
    """Return the level of a quantile that a name has, None where it has none."""
    texts = NUMBER.findall(name)
    if len(texts) != 1:
        return None
    number = float(texts[0])
    return number if number < 1 and "." in texts[0] else number / 100 if number < 100 else None
