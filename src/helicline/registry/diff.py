"""How two versions of a model differ: what callers see, what lies in the files, what was measured."""

from __future__ import annotations

from typing import Any

import msgspec

from helicline import tracking
from helicline.errors import HeliclineError, NotFound
from helicline.records.model import ModelVersion, Signature
from helicline.registry.mlmodel import read_mlmodel, signature
from helicline.registry.version import files, get_version
from helicline.store.blobs import Blobs
from helicline.store.unit import Reader
from helicline.tracking.browse.files import FilesDiff, diff_files


class ColumnChange(msgspec.Struct, frozen=True, kw_only=True):
    """An input, output or parameter of the signature that differs; empty where one side has it not."""

    part: str
    name: str
    before: str
    after: str
    breaks: bool


class ValueChange(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    before: str
    after: str


class MetricChange(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    before: float | None
    after: float | None


class VersionsDiff(msgspec.Struct, frozen=True, kw_only=True):
    """Two versions side by side; `has_signatures` is false where one of them has none to compare."""

    before: ModelVersion
    after: ModelVersion
    has_signatures: bool
    signature: list[ColumnChange]
    files: FilesDiff
    params: list[ValueChange]
    metrics: list[MetricChange]


def diff_versions(tx: Reader, blobs: Blobs, model: str, before: int, after: int) -> VersionsDiff:
    """Return how version `after` differs from `before`."""
    old, new = get_version(tx, model, before), get_version(tx, model, after)
    shown, other = signature_of(tx, blobs, old), signature_of(tx, blobs, new)
    runs = [tracking.get_run(tx, version.run_id) if version.run_id else None for version in (old, new)]
    params = [run.params if run else {} for run in runs]
    metrics = [{point.key: point.value for point in run.metrics} if run else {} for run in runs]
    return VersionsDiff(
        before=old,
        after=new,
        has_signatures=shown is not None and other is not None,
        signature=signature_changes(shown, other) if shown and other else [],
        files=diff_files(files(tx, old), files(tx, new)),
        params=[
            ValueChange(name=name, before=params[0].get(name, ""), after=params[1].get(name, ""))
            for name in sorted(params[0].keys() | params[1].keys())
            if params[0].get(name) != params[1].get(name)
        ],
        metrics=[
            MetricChange(name=name, before=metrics[0].get(name), after=metrics[1].get(name))
            for name in sorted(metrics[0].keys() | metrics[1].keys())
        ],
    )


def signature_of(tx: Reader, blobs: Blobs, version: ModelVersion) -> Signature | None:
    """Return the signature that the version's files tell; None where they tell none that can be read."""
    try:
        document = signature(read_mlmodel(tx, blobs, version))
    except HeliclineError as error:
        if not isinstance(error, NotFound) and error.code != "invalid":
            raise
        return None
    return document if document.inputs or document.outputs or document.params else None


def signature_changes(before: Signature, after: Signature) -> list[ColumnChange]:
    """Return every difference. Those that a caller of `before` would feel are marked as breaking."""
    changes = []
    for part in ("inputs", "outputs", "params"):
        old = {_name(column, at): column for at, column in enumerate(getattr(before, part))}
        new = {_name(column, at): column for at, column in enumerate(getattr(after, part))}
        for name in (*old, *(name for name in new if name not in old)):
            before_column, after_column = old.get(name), new.get(name)
            if before_column != after_column:
                shown = tuple(describe_column(column) if column else "" for column in (before_column, after_column))
                changes.append(
                    ColumnChange(
                        part=part,
                        name=name,
                        before=shown[0],
                        after=shown[1],
                        breaks=_breaks(part, before_column, after_column),
                    )
                )
    return changes


def _breaks(part: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> bool:
    if before is None:
        return part == "inputs" and bool((after or {}).get("required", True))
    return part != "params" or after is not None


def _name(column: dict[str, Any], at: int) -> str:
    return str(column.get("name", at))


def describe_column(column: dict[str, Any]) -> str:
    """Return a column's type in words, like `double, optional`."""
    tensor = column.get("tensor-spec")
    kind = f"{tensor.get('dtype')} {tensor.get('shape')}" if isinstance(tensor, dict) else str(column.get("type", ""))
    return f"{kind}, optional" if column.get("required") is False else kind
