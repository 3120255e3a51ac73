"""The runs table over HTTP: rows, page tokens, keys, values for completion, groups."""

from __future__ import annotations

import msgspec
from litestar import get

from helicline.errors import Invalid
from helicline.protocol.rest.edge import Edge, Page
from helicline.records.run import RunGroup, RunKey, RunRow
from helicline.tracking import browse

NEWEST = "attributes.start_time DESC"
VIEWS = {"active": "ACTIVE_ONLY", "archived": "DELETED_ONLY", "all": "ALL"}


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs match, and the page tokens of all pages of `every` runs."""

    total: int
    every: int
    marks: list[str]


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    """The largest groups, and the number of all groups."""

    items: list[RunGroup]
    group_count: int


def _query(experiment: str, filter: str, *, view: str, order_by: str = "") -> browse.Query:
    if view not in VIEWS:
        raise Invalid("view", view, f"one of {', '.join(VIEWS)}")
    order = (order_by,) if order_by else ()
    return browse.Query(experiment=experiment, filter=filter, order_by=order, view=VIEWS[view])


@get("/runs/table", sync_to_thread=True)
def table(
    edge: Edge,
    experiment: str = "",
    filter: str = "",
    order_by: str = NEWEST,
    view: str = "active",
    column: list[str] | None = None,
    after: str = "",
    limit: int = 200,
) -> Page[RunRow]:
    """Runs as rows with the values of each `column` (like `metrics.loss`), from a page token on."""
    query = _query(experiment, filter, view=view, order_by=order_by)
    items, following = edge.read(lambda tx: browse.rows(tx, query, columns=column or (), after=after, limit=limit))
    return Page(items, following)


@get("/runs/marks", sync_to_thread=True)
def marks(
    edge: Edge, experiment: str = "", filter: str = "", order_by: str = NEWEST, view: str = "active", every: int = 200
) -> Marks:
    """The page tokens of all pages of `every` runs, so that a table can scroll to any position at once."""
    query = _query(experiment, filter, view=view, order_by=order_by)
    total, tokens = edge.read(lambda tx: browse.page_tokens(tx, query, every=every))
    return Marks(total=total, every=every, marks=tokens)


@get("/runs/keys", sync_to_thread=True)
def keys(edge: Edge, experiment: str = "", filter: str = "", view: str = "active") -> Page[RunKey]:
    """Every key of metrics, parameters and tags; keys of the newest matching runs come first."""
    return Page(edge.read(lambda tx: browse.keys(tx, _query(experiment, filter, view=view))))


@get("/runs/values", sync_to_thread=True)
def values(edge: Edge, key: str, prefix: str = "", limit: int = 30) -> Page[str]:
    """Values of a parameter or tag, like `params.solver`, that begin with `prefix`."""
    return Page(edge.read(lambda tx: browse.values(tx, key, prefix=prefix, limit=limit)))


@get("/runs/groups", sync_to_thread=True)
def groups(
    edge: Edge,
    by: str,
    experiment: str = "",
    filter: str = "",
    view: str = "active",
    column: list[str] | None = None,
) -> Groups:
    """Groups of runs by a parameter, tag or attribute, with least, mean and greatest of each metric `column`."""
    query = _query(experiment, filter, view=view)
    items, count = edge.read(lambda tx: browse.groups(tx, query, by=by, metrics=column or ()))
    return Groups(items=items, group_count=count)


ROUTES = [table, marks, keys, values, groups]
