"""Reading of attribute values whose sender may have set anything: every function here returns, and none raises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from helicline.trace.attribute import decoded_json, text_of

MAX_INDEX_DIGITS = 6  # of a position in a flattened list


def first_of(values: Mapping[str, Any], keys: Iterable[str]) -> Any:
    """Return the first value that says something, or None."""
    for key in keys:
        if (value := values.get(key)) not in (None, "", "null", [], {}):
            return value
    return None


def number_of(value: Any) -> float | int | None:
    """Return the value as a finite number that is not negative, or None."""
    if isinstance(value, str):
        value = decoded_json(text_of(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value < 1e15 else None


def numbers_of(values: Mapping[str, Any], table: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Return the numbers of the table that the values have, by the table's names."""
    numbers = {name: number_of(first_of(values, keys)) for name, keys in table.items()}
    return {name: number for name, number in numbers.items() if number is not None}


def tree_of(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the flattened attributes below the prefix as a tree: `prefix.0.role` is `tree["0"]["role"]`."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        if not key.startswith(prefix):
            continue
        *path, leaf = key[len(prefix) :].split(".")
        node: Any = tree
        for name in path:
            node = node.setdefault(name, {}) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.setdefault(leaf, value)
    return tree


def items_of(tree: Any, name: str = "") -> list[dict[str, Any]]:
    """Return the numbered parts of a tree in their order; of each the part `name`, where a name is passed."""
    if not isinstance(tree, dict):
        return []
    numbers = [key for key in tree if key.isdecimal() and len(key) <= MAX_INDEX_DIGITS]
    items = [tree[number] for number in sorted(numbers, key=int)]
    if name:
        items = [item.get(name) for item in items if isinstance(item, dict)]
    return [item for item in items if isinstance(item, dict)]
