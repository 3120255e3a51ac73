"""The template of a table: what is filled in for the columns that it has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from helicline.cli.init.columns import Columns
from helicline.cli.init.python_text import contract_arguments, python_of
from helicline.sdk.handles import Table
from helicline.tables.sql_text import identifier


class Bar(NamedTuple):
    """What a first model has to show, as code, and why."""

    why: str
    metric: str
    gate: str
    margin: float
    watched: str


def values_of(columns: Columns, *, dataset: str, data: str) -> dict[str, str]:
    """Return what stands for each name in the template's files."""
    bar = bar_of(columns.labels, columns.task)
    arguments = contract_arguments(columns.contract, may_be_missing=[name for name, _ in columns.left_out])
    contract = ",\n        ".join(
        [python_of(dataset), *(f"{name}={python_of(value, indent=8)}" for name, value in arguments.items())]
    )
    return {
        "estimator": f"HistGradientBoosting{'Regressor' if columns.task == 'amount' else 'Classifier'}",
        "label": python_of(columns.label),
        "numbers": python_of(list(columns.numbers)),
        "texts": python_of(list(columns.texts)),
        "left_out": "".join(f"# left out: {python_of(name)}: {why}\n" for name, why in columns.left_out),
        "dataset": python_of(f"{dataset}@main"),
        "dataset_name": dataset,
        "data": python_of(data),
        "file": Path(data).name,
        "contract": f"{contract},",
        "floor": bar.why,
        "metric": python_of(bar.metric),
        "gate": bar.gate,
        "margin": python_of(bar.margin),
        "watched": bar.watched,
        "label_name": columns.label,
        "label_value": msgspec.json.encode(columns.labels[0]).decode(),
    }


def bar_of(labels: Sequence[object], task: str) -> Bar:
    """Return the gates of a first model: better than an answer that is always the same."""
    if task == "amount":
        numbers = [float(str(value)) for value in labels]
        middle = median(numbers)
        guess = _rounded(sum(abs(value - middle) for value in numbers) / len(numbers))
        why = f"one answer for all rows is off by {guess} on average: less than that, and never worse than what serves"
        watched = f'hl.performance("mae", at_most={guess})'
        return Bar(why, "mae", f'hl.at_most("mae", {guess})', _rounded(guess * 0.02), watched)
    commonest = max(labels.count(value) for value in set(labels)) / len(labels)
    watched = f'hl.performance("accuracy", at_least={math.floor(commonest * 90) / 100})'
    if task == "binary":
        why = "0.5 is a guess, 1.0 is always right: raise it to what you need; and never worse than what serves"
        return Bar(why, "auc", 'hl.at_least("auc", 0.6)', 0.01, watched)
    share = math.floor(commonest * 100) / 100
    why = f"{share} is the share of the commonest class: at least that, and never worse than what serves"
    return Bar(why, "accuracy", f'hl.at_least("accuracy", {share})', 0.01, watched)


def _rounded(number: float) -> float:
    return float(f"{number:.3g}")


def notes_of(columns: Columns, file: str) -> list[str]:
    """Return what a person has to know of how the table was taken."""
    kinds = {"binary": "one of two classes", "classes": "one of several classes", "amount": "an amount"}
    inputs = len(columns.numbers) + len(columns.texts)
    summary = (
        f"{file}: {columns.row_count} rows; {columns.label} is learned as {kinds[columns.task]} from {inputs} columns"
    )
    return [summary, *(f"{name} is left out: {why}" for name, why in columns.left_out)]


def example_of(data: Path, columns: Columns) -> bytes:
    """Return the first row without a missing value as the body of a request."""
    inputs = [*columns.numbers, *columns.texts]
    present = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in inputs)
    rows = Table([data], names=[data.name]).duckdb().project(", ".join(map(identifier, inputs)))
    (row, *_) = rows.filter(present).limit(1).fetchall() or rows.limit(1).fetchall()
    body = {"dataframe_records": [dict(zip(inputs, row, strict=True))]}
    return msgspec.json.format(msgspec.json.encode(body, enc_hook=str), indent=2) + b"\n"
