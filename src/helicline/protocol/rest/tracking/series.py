"""Metric histories over HTTP, for charts."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.params import Parameter

from helicline.errors import Invalid
from helicline.protocol.rest.edge import Edge, Page
from helicline.tracking.browse.series import AXES, Line, Window, lines


@get("/runs/series", sync_to_thread=True)
def series(
    edge: Edge,
    run: list[str],
    key: list[str],
    axis: str = "step",
    buckets: int = 400,
    low: Annotated[float | None, Parameter(query="from")] = None,
    high: Annotated[float | None, Parameter(query="to")] = None,
) -> Page[Line]:
    """Lines of several runs and keys: for each bucket the least, greatest and last value."""
    checked_axis = next((name for name in AXES if name == axis), None)
    if checked_axis is None:
        raise Invalid("axis", axis, f"one of {', '.join(AXES)}")
    window = Window(axis=checked_axis, buckets=buckets, low=low, high=high)
    return Page(edge.read(lambda tx: lines(tx, run, key, window)))


ROUTES = [series]
