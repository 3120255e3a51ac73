"""Values as the text of Python code, one to a line where they are long."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from helicline.records.contract import ContractSpec

WIDTH = 100


def python_of(value: Any, *, indent: int = 0) -> str:
    """Return a text, number, None, or a list, tuple or mapping of these as Python code that is indented so deep."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        items, ends = [f"{python_of(key)}: {python_of(item)}" for key, item in value.items()], "{}"
    elif isinstance(value, Sequence):
        items, ends = [python_of(item) for item in value], "[]" if isinstance(value, list) else "()"
    else:
        return repr(value)
    line = ends[0] + ", ".join(items) + ("," if ends == "()" and len(items) == 1 else "") + ends[1]
    if len(line) + indent <= WIDTH:
        return line
    inner = " " * (indent + 4)
    return ends[0] + "".join(f"\n{inner}{item}," for item in items) + "\n" + " " * indent + ends[1]


def contract_arguments(spec: ContractSpec, *, may_be_missing: Sequence[str]) -> dict[str, Any]:
    """Return the arguments by which `hl.contract` says the same of each column.

    Nothing is said of how often the columns `may_be_missing` are, of keys and of the number of rows: labelled rows
    that come back from production have other numbers of these.
    """
    named = [column for column in spec.columns if column.name not in may_be_missing]
    ranged = [column for column in named if column.low is not None or column.high is not None]
    arguments: dict[str, Any] = {
        "columns": {column.name: column.type for column in spec.columns},
        "nulls": {column.name: column.nulls for column in named if column.nulls is not None},
        "ranges": {column.name: (column.low, column.high) for column in ranged},
        "allowed": {column.name: list(column.allowed) for column in named if column.allowed},
    }
    return {name: value for name, value in arguments.items() if value}
