"""The runs table: pages by position in the order, so that all pages cost the same and skip no run (note 0011)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from helicline.errors import Invalid
from helicline.records.run import RunGroup, RunKey, RunRow
from helicline.store.rows.search import keys as run_keys
from helicline.store.rows.search.order import types_of
from helicline.store.rows.search.page import page_positions, rows_from
from helicline.store.rows.search.query import TABLES, RunQuery
from helicline.store.unit import Reader
from helicline.tracking import grammar
from helicline.tracking.experiment import experiment_number, experiment_of
from helicline.tracking.page_token import decode_ordered_token, encode_ordered_token
from helicline.tracking.search import RUNS, lifecycles, search_experiments

MAX_ROWS, MAX_COLUMNS, MAX_TOKENS = 500, 200, 5_000
SAMPLE = 500
VALUE_ENTITIES = {"metric", "param", "tag"}
GROUP_ENTITIES = {"param", "tag", "attribute"}


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs to return, in the grammar of filters.

    `experiment` is an id, or a name that is not a number; "" means every active experiment.
    """

    experiment: str = ""
    filter: str = ""
    order_by: tuple[str, ...] = ()
    view: str = "ACTIVE_ONLY"


def query_of(tx: Reader, query: Query) -> RunQuery:
    """Return the query for the store. Raises Invalid, with the field, for an invalid filter or order."""
    if query.experiment:
        experiments: tuple[int, ...] = (experiment_number(experiment_of(tx, query.experiment)),)
    else:
        experiments = tuple(
            int(experiment.experiment_id) for experiment in search_experiments(tx, max_results=grammar.MAX_LIST)[0]
        )
    return RunQuery(
        experiments=experiments,
        lifecycles=lifecycles(query.view),
        clauses=tuple(grammar.parse_filter(query.filter, RUNS)),
        order=tuple(grammar.parse_order(query.order_by, RUNS)),
    )


def rows(
    tx: Reader, query: Query, *, columns: Sequence[str] = (), after: str = "", limit: int = 200
) -> tuple[list[RunRow], str]:
    """Return the runs from the page token `after` on, with the values of `columns`, and the token of the next page."""
    if not 1 <= limit <= MAX_ROWS:
        raise Invalid("limit", limit, f"1 to {MAX_ROWS}")
    run_query = query_of(tx, query)
    kinds = types_of(run_query.order)
    start = decode_ordered_token(after, query.order_by, kinds, field="after") if after else None
    items, next_position = rows_from(tx, run_query, columns=columns_of(columns), start=start, limit=limit)
    return items, encode_ordered_token(query.order_by, next_position) if next_position is not None else ""


def page_tokens(tx: Reader, query: Query, *, every: int) -> tuple[int, list[str]]:
    """Return the number of matching runs, and the tokens of all pages of `every` runs, for access to any page."""
    if not 10 <= every <= MAX_ROWS:
        raise Invalid("every", every, f"10 to {MAX_ROWS}")
    total, positions = page_positions(tx, query_of(tx, query), every=every)
    return total, [encode_ordered_token(query.order_by, position) for position in positions[:MAX_TOKENS]]


def columns_of(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the columns as (entity, key): `metrics.loss` is `("metric", "loss")`; a key may have any characters."""
    if len(names) > MAX_COLUMNS:
        raise Invalid("column", len(names), f"at most {MAX_COLUMNS} columns")
    return [_column("column", name, VALUE_ENTITIES) for name in names]


def _column(field: str, name: str, allowed: set[str]) -> tuple[str, str]:
    alias, _, key = name.partition(".")
    entity = RUNS.aliases.get(alias)
    if entity not in allowed or not key:
        kinds = ", ".join(f"{entity}s.<key>" for entity in sorted(allowed))
        raise Invalid(field, name, f"one of {kinds}")
    if entity == "attribute":
        grammar.parse_order([f"attributes.`{key}`"], RUNS)
    return entity, key


def keys(tx: Reader, query: Query) -> list[RunKey]:
    """Return every key: first those of the newest matching runs by frequency, then all others."""
    sample = run_keys.sample_keys(tx, query_of(tx, query), sample=SAMPLE)
    names = {(key.entity, key.name) for key in sample}
    rest = [
        RunKey(entity=entity, name=name)
        for entity in TABLES
        for name in run_keys.names(tx, entity)
        if (entity, name) not in names
    ]
    return sample + rest


def values(tx: Reader, key: str, *, prefix: str = "", limit: int = 30) -> list[str]:
    """Return values of a parameter or tag, for completion."""
    if not 1 <= limit <= 200:
        raise Invalid("limit", limit, "1 to 200")
    entity, name = _column("key", key, {"param", "tag"})
    return run_keys.values(tx, entity, name, prefix=prefix, limit=limit)


def groups(tx: Reader, query: Query, *, by: str, metrics: Sequence[str] = ()) -> tuple[list[RunGroup], int]:
    """Return groups of runs by a parameter, tag or attribute with the range of each metric, and their number."""
    names = [_column("column", metric, {"metric"})[1] for metric in metrics[:MAX_COLUMNS]]
    return run_keys.groups(tx, query_of(tx, query), by=_column("by", by, GROUP_ENTITIES), metrics=names)
