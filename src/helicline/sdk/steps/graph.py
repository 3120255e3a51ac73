"""What a pipeline passes between its steps while it is traced: datasets, and outputs that do not exist yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import msgspec

from helicline.errors import Invalid
from helicline.records.pipeline import Kind, Source
from helicline.sdk.handles import Artifact, Metrics, Model, Table

KINDS: dict[type, Kind] = {Table: "Table", Model: "Model", Metrics: "Metrics", Artifact: "Artifact"}
HINT_BRANCH = "A pipeline is traced before it runs; put the decision inside a step."
HINT_VALUE = "A pipeline is traced before it runs; use the values inside a step."


class Dataset(msgspec.Struct, frozen=True):
    """A dataset as a pipeline's input: `name@ref`, pinned to a version when a run starts."""

    spec: str


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
