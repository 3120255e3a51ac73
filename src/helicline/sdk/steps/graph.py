"""What a pipeline passes between its steps while it is traced: datasets, and outputs that do not exist yet."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from helicline.errors import Invalid
from helicline.ids import checked_name
from helicline.records.pipeline import Kind, Source
from helicline.sdk.handles import Artifact, Metrics, Model, Table

VERSION = re.compile(r"v\d+|[0-9a-f]{12,}")  # of a dataset: what never moves
KINDS: dict[type, Kind] = {Table: "Table", Model: "Model", Metrics: "Metrics", Artifact: "Artifact"}
HINT_BRANCH = "A pipeline is traced before it runs; put the decision inside a step."
HINT_VALUE = "A pipeline is traced before it runs; use the values inside a step."


class Dataset(msgspec.Struct, frozen=True):
    """A dataset as a pipeline's input: `name@ref`, pinned to a version when a run starts.

    `files` are the absolute paths and patterns that its first version is committed from.
    """

    spec: str
    files: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"hl.dataset({self.spec!r})"


def dataset(spec: str, *, files: str | Sequence[str] = ()) -> Any:
    """Return a dataset as the default of a pipeline's argument: "name@main", "name@v3", "name@<12 hex>".

    Args:
        files: a file, folder or pattern, or several, that `hl apply` commits as the first version where there is none
            yet; relative to the folder of the file that says so. In plain Python they stand in for the server's data.

    Raises:
        Invalid: the name or ref has characters that are not allowed; or files for a version instead of a ref.

    Example:
        >>> import helicline as hl
        >>> hl.dataset("sales@main").spec
        'sales@main'
    """
    name, _, ref = spec.partition("@")
    checked = f"{checked_name('dataset', name)}@{checked_name('ref', ref or 'main')}"
    if files and VERSION.fullmatch(ref):
        raise Invalid(f"dataset {spec}, files", ref, "a ref that moves, like main: this version is there or not")
    folder = Path(sys._getframe(1).f_globals.get("__file__", "")).resolve().parent
    paths = (files,) if isinstance(files, str) else tuple(files)
    return Dataset(checked, tuple(str(folder / path) for path in paths))


class Future:
    """The output of a step while a pipeline is traced."""

    def __init__(self, source: Source, kind: Kind) -> None:
        self.source, self.kind = source, kind

    def __repr__(self) -> str:
        return (
            f"<{self.kind} of step {self.source.step!r}>"
            if self.source.step
            else f"<{self.kind} {self.source.dataset!r}>"
        )

    def __bool__(self) -> bool:
        raise Invalid("pipeline", "an `if` on a step's output", "a graph that does not depend on values", HINT_BRANCH)

    def __iter__(self) -> Iterator[NoReturn]:
        raise Invalid(f"step {self.source.step}", "its output taken apart", f"one {self.kind}", HINT_VALUE)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what Python and notebooks look for
            raise AttributeError(name)
        raise Invalid(f"step {self.source.step}", f".{name} of its output", "an output passed to steps", HINT_VALUE)
