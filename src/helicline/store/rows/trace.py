"""Traces and their spans as the MLflow wire sends them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from helicline.records.run import SpanRecord, TraceRecord
from helicline.store.noun import metadata
from helicline.store.rows.experiment import Exact, insert_into
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
SPAN = sa.Table(
    "span",
    metadata,
    sa.Column("trace", Exact, primary_key=True),
    sa.Column("id", Exact, primary_key=True),
    sa.Column("start_ns", sa.BigInteger, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)


AT_ONCE = 500


def save(tx: Tx, trace: TraceRecord) -> None:
    save_all(tx, [trace])


def save_all(tx: Tx, traces: Sequence[TraceRecord]) -> None:
    """Keep the traces, each under an id of its own."""
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
        _upsert(tx, TRACE, ["id"], rows)


def save_spans(tx: Tx, spans: Sequence[SpanRecord]) -> None:
    """Keep the spans; one that comes again replaces its earlier self."""
    rows = {
        (span.trace_id, span.span_id): {
            "trace": span.trace_id,
            "id": span.span_id,
            "start_ns": span.start_ns,
            "body": msgspec.json.encode(span.body).decode(),
        }
        for span in spans
    }
    if rows:
        _upsert(tx, SPAN, ["trace", "id"], [rows[key] for key in sorted(rows)])


def _upsert(tx: Tx, table: sa.Table, key: list[str], rows: list[dict[str, Any]]) -> None:
    statement = insert_into(tx, table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in key}
    tx.execute(statement.on_conflict_do_update(index_elements=key, set_=changed), rows)


def find(tx: Reader, trace_id: str) -> TraceRecord | None:
    """Return the trace. In a unit of work its row is locked until the end."""
    statement = sa.select(TRACE).where(TRACE.c.id == trace_id)
    row = tx.execute(statement.with_for_update() if isinstance(tx, Tx) else statement).first()
    return None if row is None else _record(row)


def find_all(tx: Tx, trace_ids: Sequence[str]) -> dict[str, TraceRecord]:
    """Return the traces that are there, locked until the end of the unit."""
    found: dict[str, TraceRecord] = {}
    for start in range(0, len(trace_ids), AT_ONCE):
        some = TRACE.c.id.in_(trace_ids[start : start + AT_ONCE])
        statement = sa.select(TRACE).where(some).order_by(TRACE.c.id).with_for_update()
        found |= {row.id: _record(row) for row in tx.execute(statement)}
    return found


def of_experiments(tx: Reader, experiment_ids: Sequence[int]) -> list[TraceRecord]:
    """Return the experiments' traces, newest first."""
    statement = sa.select(TRACE).where(TRACE.c.experiment.in_(experiment_ids))
    return [_record(row) for row in tx.execute(statement.order_by(TRACE.c.timestamp_ms.desc(), TRACE.c.id))]


def spans_of(tx: Reader, trace_ids: Sequence[str]) -> dict[str, list[SpanRecord]]:
    """Return each trace's spans by start."""
    statement = sa.select(SPAN).where(SPAN.c.trace.in_(trace_ids)).order_by(SPAN.c.start_ns, SPAN.c.id)
    found: dict[str, list[SpanRecord]] = {}
    for row in tx.execute(statement):
        body = msgspec.json.decode(row.body)
        found.setdefault(row.trace, []).append(
            SpanRecord(trace_id=row.trace, span_id=row.id, start_ns=row.start_ns, body=body)
        )
    return found


def remove(tx: Tx, trace_ids: Sequence[str]) -> int:
    """Delete the traces and their spans; return how many traces went."""
    tx.execute(SPAN.delete().where(SPAN.c.trace.in_(trace_ids)))
    return int(tx.execute(TRACE.delete().where(TRACE.c.id.in_(trace_ids))).rowcount)


def _record(row: sa.Row[Any]) -> TraceRecord:
    return TraceRecord(
        trace_id=row.id,
        experiment_id=str(row.experiment),
        timestamp_ms=row.timestamp_ms,
        duration_ms=row.duration_ms,
        state=row.state,
        info=msgspec.json.decode(row.info),
    )
