"""Experiments, and the column type and the locks that the tracking tables share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from helicline.clock import epoch_ms, from_epoch_ms
from helicline.records.run import Experiment
from helicline.store.noun import metadata
from helicline.store.unit import Reader, Tx

# compared and sorted by bytes in both databases: SQLite's default; PostgreSQL needs the C collation
Exact = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

EXPERIMENT = sa.Table(
    "experiment",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", Exact, nullable=False, unique=True),
    sa.Column("location", Exact, nullable=False),
    sa.Column("lifecycle", Exact, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("updated_ms", sa.BigInteger, nullable=False),
    sa.Column("tags", sa.Text, nullable=False),
)


def lock_topics(tx: Tx, *topics: str) -> None:
    """Block other units that lock one of the topics until this one ends. SQLite needs no lock: it has one writer."""
    if tx.is_postgres and topics:
        tx.run_text(_LOCK_TOPICS, [list(topics)])


# PostgreSQL takes the locks in the order of their keys, so that two units cannot deadlock
_LOCK_TOPICS = (
    "SELECT pg_advisory_xact_lock(key) FROM"
    " (SELECT hashtextextended(unnest(%s::text[]), 0) AS key ORDER BY key) AS ordered"
)


def insert_into(tx: Reader, table: sa.Table) -> Any:
    """Return the dialect's INSERT, which has ON CONFLICT."""
    return postgresql.insert(table) if tx.is_postgres else sqlite.insert(table)


def add_missing(tx: Tx, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows whose key does not exist; leave existing rows unchanged."""
    if rows:
        tx.execute(insert_into(tx, table).on_conflict_do_nothing(), list(rows))


def next_id(tx: Tx) -> int:
    lock_topics(tx, "experiment")
    return int(tx.execute(sa.select(sa.func.max(EXPERIMENT.c.id))).scalar() or 0) + 1


def insert(tx: Tx, experiment: Experiment) -> None:
    tx.execute(EXPERIMENT.insert(), {"id": int(experiment.experiment_id), **_columns(experiment)})


def save(tx: Tx, experiment: Experiment) -> None:
    tx.execute(
        EXPERIMENT.update().where(EXPERIMENT.c.id == int(experiment.experiment_id)).values(**_columns(experiment))
    )


def find(tx: Reader, experiment_id: int) -> Experiment | None:
    """Return the experiment, deleted or not. In a unit of work its row is locked until the end."""
    statement = sa.select(EXPERIMENT).where(EXPERIMENT.c.id == experiment_id)
    row = tx.execute(statement.with_for_update() if isinstance(tx, Tx) else statement).first()
    return None if row is None else _record(row)


def find_by_name(tx: Reader, name: str) -> Experiment | None:
    row = tx.execute(sa.select(EXPERIMENT).where(EXPERIMENT.c.name == name)).first()
    return None if row is None else _record(row)


def find_all(tx: Reader, lifecycles: Sequence[str]) -> list[Experiment]:
    """Return all experiments in those lifecycle stages, newest first."""
    statement = sa.select(EXPERIMENT).where(EXPERIMENT.c.lifecycle.in_(lifecycles))
    rows = tx.execute(statement.order_by(EXPERIMENT.c.created_ms.desc(), EXPERIMENT.c.id))
    return [_record(row) for row in rows]


def _columns(experiment: Experiment) -> dict[str, Any]:
    return {
        "name": experiment.name,
        "location": experiment.artifact_location,
        "lifecycle": experiment.lifecycle,
        "created_ms": epoch_ms(experiment.created_at),
        "updated_ms": epoch_ms(experiment.updated_at),
        "tags": msgspec.json.encode(experiment.tags).decode(),
    }


def _record(row: sa.Row[Any]) -> Experiment:
    return Experiment(
        experiment_id=str(row.id),
        name=row.name,
        artifact_location=row.location,
        lifecycle=row.lifecycle,
        created_at=from_epoch_ms(row.created_ms),
        updated_at=from_epoch_ms(row.updated_ms),
        tags=msgspec.json.decode(row.tags, type=dict[str, str]),
    )
