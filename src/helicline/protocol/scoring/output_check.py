"""What is wrong with a model's output, by the name of the output: its length, or a value without a form on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from helicline.protocol.oip.metadata import output_names
from helicline.protocol.scoring.signature import Signature


def wrong_length(signature: Signature, value: Any, output: Any) -> str:
    """Return which output has not one entry for each row of the input, '' if all have or the signature does not say."""
    row_count = _row_count(value)
    if row_count is None or not (signature.output_columns or _tensors_by_row(signature)):
        return ""
    for name, part in _parts(signature, output):
        count = _row_count(part)
        if count is not None and count != row_count:
            return f"the model's output {name!r} has {count} entries for {row_count} rows"
    return ""


def unsendable(signature: Signature, output: Any, *, encode: Callable[[Any], object]) -> str:
    """Return the name and the type of the output that cannot be encoded."""
    for name, part in _parts(signature, output):
        try:
            encode(part)
        except Exception:
            return f"{name!r} ({type(part).__name__})"
    return f"({type(output).__name__})"


def _tensors_by_row(signature: Signature) -> bool:
    tensors = signature.output_tensors
    return bool(tensors) and all(tensor.shape and tensor.shape[0] == -1 for tensor in tensors)


def _parts(signature: Signature, output: Any) -> list[tuple[str, Any]]:
    if isinstance(output, dict):
        return [(str(name), part) for name, part in output.items()]
    if hasattr(output, "columns") and hasattr(output, "iloc"):
        return [(str(name), output[name]) for name in output.columns]
    names = output_names(signature)
    return [(names[0] if names else "predictions", output)]


def _row_count(value: Any) -> int | None:
    """Return how many rows a list, an array, a frame or a column has; None for what has none."""
    if isinstance(value, list) or hasattr(value, "iloc"):
        return len(value)
    return len(value) if getattr(value, "ndim", 0) else None
