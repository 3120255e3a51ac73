"""What is in a table that a project begins with: which columns a model can learn from, and what is to be learned."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

import numpy as np

from helicline.errors import Invalid
from helicline.monitor.testable import role_of
from helicline.records.contract import ContractSpec
from helicline.sdk.handles import Table
from helicline.tables.apart import limited_session
from helicline.tables.inference import infer
from helicline.tables.names import kind_of
from helicline.tables.sql_text import identifier
from helicline.tables.union import family_of

LEAST_ROWS = 40  # of fewer rows nothing can be learned and put aside
MOST_CLASSES = {"text": 20, "truth values": 2, "numbers": 10}  # numbers of more values are amounts
Task = Literal["binary", "classes", "amount"]
REASONS = {"identifier": "nearly every value is different", "time": "a time, which moves on by itself"}


class LeftOut(NamedTuple):
    """A column that says nothing of rows to come, and why."""

    name: str
    why: str


class Columns(NamedTuple):
    """The columns of a table: `numbers` and `texts` to learn from, what is left out, and the label with its task.

    `labels` are the values that are there of the label.
    """

    label: str
    task: Task
    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    labels: list[Any]
    row_count: int
    contract: ContractSpec


def columns_of(path: Path, label: str, *, dataset: str) -> Columns:
    """Return what is in the file of a table, of which `label` is to be learned.

    Raises:
        Invalid: the file is no table or cannot be read; the label is none of its columns, or nothing to learn; there
            are too few rows, or no column to learn from.
    """
    if not path.is_file() or kind_of(path.name) is None:
        raise Invalid("--data", str(path), "a file with a table: .csv, .tsv, .jsonl, .parquet or .arrow")
    with TemporaryDirectory(prefix="helicline-init-") as folder:
        session = limited_session(folder)
        session.execute(f"CREATE VIEW data AS {Table([path], names=[path.name]).query_in(session)}")
        kinds = {name: kind for name, kind, *_ in session.execute("DESCRIBE SELECT * FROM data").fetchall()}
        if label not in kinds:
            raise Invalid("--label", label or "none", f"the column that is to be learned: {', '.join(kinds)}")
        values = {name: _values(session, name) for name in kinds}
        task = _task(label, family_of(kinds[label]), values[label])
        numbers, texts, left_out = _sorted_out(kinds, {n: v for n, v in values.items() if n != label})
        labels = _present(values[label])
        contract = infer(session, dataset)
    return Columns(label, task, numbers, texts, left_out, labels, row_count=len(values[label]), contract=contract)


def _values(session: Any, name: str) -> Any:
    return session.execute(f"SELECT {identifier(name)} AS value FROM data").fetchnumpy()["value"]


def _present(values: Any) -> list[Any]:
    return [value for value in np.ma.asarray(values).compressed().tolist() if value is not None and value == value]


def _task(label: str, family: str, values: Any) -> Task:
    present = _present(values)
    if len(present) < LEAST_ROWS:
        raise Invalid(f"rows with a {label}", len(present), f"at least {LEAST_ROWS}")
    classes = set(present)
    if len(classes) < 2:
        raise Invalid(f"--label {label}", f"{present[0]} in every row", "a column of at least two values")
    is_discrete = family != "numbers" or all(value == int(value) for value in classes)
    if is_discrete and len(classes) <= MOST_CLASSES.get(family, 0):
        return "binary" if len(classes) == 2 else "classes"
    if family != "numbers":
        most = f"at most {MOST_CLASSES['text']} classes, or numbers"
        raise Invalid(f"--label {label}", f"{family} of {len(classes)} different values", most)
    return "amount"


def _sorted_out(
    kinds: dict[str, str], values: dict[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[LeftOut, ...]]:
    """Return the columns of numbers, those of text and truth values, and those that are left out."""
    numbers: list[str] = []
    texts: list[str] = []
    left_out: list[LeftOut] = []
    for name, column in values.items():
        family, role = family_of(kinds[name]), role_of(name, column)
        different = len({str(value) for value in _present(column)})
        if role:
            left_out.append(LeftOut(name, REASONS[role]))
        elif different < 2:
            left_out.append(LeftOut(name, "it is empty" if not different else "it is the same in every row"))
        elif family not in ("numbers", "text", "truth values"):
            left_out.append(LeftOut(name, f"values of type {kinds[name]}"))
        else:
            (numbers if family == "numbers" else texts).append(name)
    if not numbers and not texts:
        why = "; ".join(f"{name}: {reason}" for name, reason in left_out) or "the label only"
        raise Invalid("columns", why, "at least one column to learn from")
    return tuple(numbers), tuple(texts), tuple(left_out)
