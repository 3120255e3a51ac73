"""The difference of two versions of a model: signature, files, parameters and metrics."""

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
    """An input, output or parameter of the signature that differs; empty on a side without it."""

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
    """The differences of two versions; `has_signatures` is false where one of them has no signature."""

    before: ModelVersion
    after: ModelVersion
    has_signatures: bool
    signature: list[ColumnChange]
    files: FilesDiff
    params: list[ValueChange]
    metrics: list[MetricChange]


def diff_versions(tx: Reader, blobs: Blobs, model: str, *, before: int, after: int) -> VersionsDiff:
    """Return the difference of version `after` to version `before`."""
    old, new = get_version(tx, model, before), get_version(tx, model, after)
    before_signature, after_signature = signature_of(tx, blobs, old), signature_of(tx, blobs, new)
    runs = [tracking.find_run(tx, version.run_id) for version in (old, new)]
    params = [run.params if run else {} for run in runs]
    metrics = [{point.key: point.value for point in run.metrics} if run else {} for run in runs]
    return VersionsDiff(
        before=old,
        after=new,
        has_signatures=before_signature is not None and after_signature is not None,
        signature=signature_changes(before_signature, after_signature) if before_signature and after_signature else [],
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
    """Return the signature in the version's files, or None where there is none or it cannot be parsed."""
    try:
        document = signature(read_mlmodel(tx, blobs, version))
    except HeliclineError as error:
        if not isinstance(error, NotFound) and error.code != "invalid":
            raise
        return None
    return document if document.inputs or document.outputs or document.params else None


def signature_changes(before: Signature, after: Signature) -> list[ColumnChange]:
    """Return every difference. Those that break callers of `before` have `breaks`."""
    changes = []
    for part in ("inputs", "outputs", "params"):
        old = {_name(column, index): column for index, column in enumerate(getattr(before, part))}
        new = {_name(column, index): column for index, column in enumerate(getattr(after, part))}
        for name in (*old, *(name for name in new if name not in old)):
            before_column, after_column = old.get(name), new.get(name)
            if before_column != after_column:
                texts = tuple(describe_column(column) if column else "" for column in (before_column, after_column))
                changes.append(
                    ColumnChange(
                        part=part,
                        name=name,
                        before=texts[0],
                        after=texts[1],
                        breaks=_breaks(part, before_column, after_column),
                    )
                )
    return changes


def _breaks(part: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> bool:
    if before is None:
        return part == "inputs" and bool((after or {}).get("required", True))
    return part != "params" or after is not None


def _name(column: dict[str, Any], index: int) -> str:
    return str(column.get("name", index))


def describe_column(column: dict[str, Any]) -> str:
    """Return a text for a column's type, like `double, optional`."""
    tensor = column.get("tensor-spec")
    kind = f"{tensor.get('dtype')} {tensor.get('shape')}" if isinstance(tensor, dict) else str(column.get("type", ""))
    return f"{kind}, optional" if column.get("required") is False else kind
