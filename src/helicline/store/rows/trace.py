"""Traces, and the packs of their spans (note 0013; `helicline.trace.span` reads them)."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from helicline.records.run import Clause, TraceRecord
from helicline.store.noun import metadata
from helicline.store.rows.experiment import Exact
from helicline.store.unit import Reader, Tx

TRACE = sa.Table(
    "trace",
    metadata,
    sa.Column("id", Exact, primary_key=True),
    sa.Column("experiment", sa.BigInteger, nullable=False),
    sa.Column("timestamp_ms", sa.BigInteger, nullable=False),
    sa.Column("duration_ms", sa.BigInteger),
    sa.Column("state", Exact, nullable=False),
    sa.Column("info", sa.Text, nullable=False),
    sa.Index("ix_trace_browse", "experiment", "timestamp_ms", "id"),
)
PACK = sa.Table(
    "span_pack",
    metadata,
    sa.Column("trace", Exact, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

BATCH_SIZE = 500
LIMIT_COLUMNS = {"timestamp_ms": TRACE.c.timestamp_ms, "status": TRACE.c.state}
OPERATORS: dict[str, Callable[[Any, Any], sa.ColumnElement[bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def save(tx: Tx, trace: TraceRecord) -> None:
    save_all(tx, [trace])


def save_all(tx: Tx, traces: Sequence[TraceRecord]) -> None:
    """Store the traces, each under its own id."""
    rows = [
        {
            "id": trace.trace_id,
            "experiment": int(trace.experiment_id),
            "timestamp_ms": trace.timestamp_ms,
            "duration_ms": trace.duration_ms,
            "state": trace.state,
            "info": msgspec.json.encode(trace.info).decode(),
        }
        for trace in traces
    ]
    if rows:
        tx.execute(_upsert(is_postgres=tx.is_postgres), rows)


@functools.cache
def _upsert(*, is_postgres: bool) -> Any:
    """Return the statement that stores traces; building it takes longer than running it."""
    statement = (postgresql.insert if is_postgres else sqlite.insert)(TRACE)
    changed = {column.name: statement.excluded[column.name] for column in TRACE.c if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=["id"], set_=changed)


def add_packs(tx: Tx, packs: Mapping[str, bytes], *, new_traces: Container[str]) -> None:
    """Append the new pack of each trace; a `new_traces` trace has none yet. The rows of the traces are locked."""
    rows = []
    for trace_id, body in packs.items():
        number = 0 if trace_id in new_traces else _next_number(tx, trace_id, body)
        if number is not None:
            rows.append({"trace": trace_id, "number": number, "body": body})
    if rows:
        tx.execute(PACK.insert(), rows)


def _next_number(tx: Tx, trace_id: str, body: bytes) -> int | None:
    """Return the pack's number, or None where an equal pack exists: a repeated request adds nothing."""
    same = sa.func.count().filter(PACK.c.body == body)
    row: Any = tx.execute(sa.select(sa.func.max(PACK.c.number), same).where(PACK.c.trace == trace_id)).one()
    last, exists = row
    return None if exists else (-1 if last is None else last) + 1


def find(tx: Reader, trace_id: str) -> TraceRecord | None:
    """Return the trace. In a unit of work its row is locked until the end."""
    statement = sa.select(TRACE).where(TRACE.c.id == trace_id)
    row = tx.execute(statement.with_for_update() if isinstance(tx, Tx) else statement).first()
    return None if row is None else _record(row)


def find_all(tx: Tx, trace_ids: Sequence[str]) -> dict[str, TraceRecord]:
    """Return the existing traces, locked until the end of the unit."""
    traces: dict[str, TraceRecord] = {}
    for start in range(0, len(trace_ids), BATCH_SIZE):
        batch = TRACE.c.id.in_(trace_ids[start : start + BATCH_SIZE])
        statement = sa.select(TRACE).where(batch).order_by(TRACE.c.id).with_for_update()
        traces |= {row.id: _record(row) for row in tx.execute(statement)}
    return traces


def by_time(
    tx: Reader,
    experiments: Sequence[int],
    limits: Sequence[Clause],
    *,
    newest_first: bool,
    after: tuple[int, str] | None,
    max_count: int,
) -> list[TraceRecord]:
    """Return the experiments' traces by time and id, those after the position `after`.

    `limits` are comparisons of the columns in LIMITS.
    """
    at, key = TRACE.c.timestamp_ms, TRACE.c.id
    statement = sa.select(TRACE).where(TRACE.c.experiment.in_(experiments))
    statement = statement.where(*(_holds(limit) for limit in limits))
    if after is not None:
        time, trace_id = after
        at_or_after, is_after = (at <= time, at < time) if newest_first else (at >= time, at > time)
        statement = statement.where(at_or_after, is_after | (key > trace_id))
    ordered = statement.order_by(at.desc() if newest_first else at, key).limit(max_count)
    return [_record(row) for row in tx.execute(ordered)]


def _holds(limit: Clause) -> sa.ColumnElement[bool]:
    column = LIMIT_COLUMNS[limit.key]
    # a bound of 1.5 ms must not be rounded to 2 ms
    kind = sa.Double() if isinstance(limit.value, float | int) else column.type
    return OPERATORS[limit.op](column, sa.literal(limit.value, kind))


def is_limit(clause: Clause) -> bool:
    """Return whether `by_time` can evaluate the clause."""
    return clause.entity == "attribute" and clause.key in LIMIT_COLUMNS and clause.op in OPERATORS


def ids_until(tx: Reader, experiment: int, *, before_ms: int, max_count: int | None) -> list[str]:
    """Return the oldest traces of the experiment, up to the time `before_ms`."""
    statement = sa.select(TRACE.c.id).where(TRACE.c.experiment == experiment, TRACE.c.timestamp_ms <= before_ms)
    return list(tx.execute(statement.order_by(TRACE.c.timestamp_ms, TRACE.c.id.desc()).limit(max_count)).scalars())


def ids_of(tx: Reader, experiment: int, trace_ids: Sequence[str]) -> list[str]:
    """Return those of the traces that are in the experiment."""
    ids: list[str] = []
    for start in range(0, len(trace_ids), BATCH_SIZE):
        batch = TRACE.c.id.in_(trace_ids[start : start + BATCH_SIZE])
        ids += tx.execute(sa.select(TRACE.c.id).where(batch, TRACE.c.experiment == experiment)).scalars()
    return ids


def packs_of(tx: Reader, trace_ids: Sequence[str]) -> dict[str, list[bytes]]:
    """Return each trace's packs of spans in the order of their arrival."""
    packs: dict[str, list[bytes]] = {}
    for start in range(0, len(trace_ids), BATCH_SIZE):
        batch = PACK.c.trace.in_(trace_ids[start : start + BATCH_SIZE])
        rows: Any = tx.execute(sa.select(PACK).where(batch).order_by(PACK.c.trace, PACK.c.number)).all()
        for trace_id, _, body in rows:
            packs.setdefault(trace_id, []).append(bytes(body))
    return packs


def remove(tx: Tx, trace_ids: Sequence[str]) -> int:
    """Delete the traces and their spans; return the number of deleted traces."""
    removed_count = 0
    for start in range(0, len(trace_ids), BATCH_SIZE):
        batch = trace_ids[start : start + BATCH_SIZE]
        tx.execute(PACK.delete().where(PACK.c.trace.in_(batch)))
        removed_count += int(tx.execute(TRACE.delete().where(TRACE.c.id.in_(batch))).rowcount)
    return removed_count


def _record(row: sa.Row[Any]) -> TraceRecord:
    return TraceRecord(
        trace_id=row.id,
        experiment_id=str(row.experiment),
        timestamp_ms=row.timestamp_ms,
        duration_ms=row.duration_ms,
        state=row.state,
        info=msgspec.json.decode(row.info),
    )
