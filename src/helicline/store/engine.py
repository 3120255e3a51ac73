"""Connections to the database, and statements that bypass SQLAlchemy."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from helicline.store.durable import make_folder, refuse_network


def engine_of(url: str, pragmas: tuple[str, ...]) -> sa.Engine:
    """Return the engine of the database at `url`, sqlite:///path or postgresql://...; creates the folder of a file."""
    if not url.startswith("sqlite"):
        sqlalchemy_url = url.replace("postgres://", "postgresql://", 1)
        if sqlalchemy_url.startswith("postgresql://"):
            sqlalchemy_url = sqlalchemy_url.replace("postgresql://", "postgresql+psycopg://", 1)
        return sa.create_engine(sqlalchemy_url, pool_size=16, max_overflow=16, pool_pre_ping=True)
    path = Path(url.removeprefix("sqlite:///"))
    make_folder(path.parent)
    refuse_network(path.parent)
    engine = sa.create_engine(
        url,
        poolclass=sa.pool.QueuePool,
        pool_size=8,
        max_overflow=56,
        pool_use_lifo=True,  # each connection has a page cache of its own; the last one used has the most useful cache
        connect_args={"check_same_thread": False, "timeout": 30},
    )
    sa.event.listen(engine, "connect", lambda connection, _record: _set_up_sqlite(connection, pragmas))
    sa.event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: sa.Connection) -> None:
    # a transaction that writes takes the write lock at its start: there it waits, while a later upgrade would fail
    writes = connection.get_execution_options().get("writes")
    if writes and driver_of(connection).in_transaction:  # by `begin_write`
        return
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _set_up_sqlite(connection: sqlite3.Connection, pragmas: tuple[str, ...]) -> None:
    # the driver must not begin or commit by itself: savepoints and group commit depend on it
    connection.isolation_level = None
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")


def run_text(connection: sa.Connection, sql: str, *, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
    """Run SQL on the driver's connection, and return its rows; errors are those of the engine."""
    driver_error = connection.dialect.loaded_dbapi.Error
    try:
        cursor = driver_of(connection).execute(sql, values)
        return cursor.fetchall() if cursor.description else []
    except driver_error as error:
        raise sa.exc.DBAPIError.instance(sql, values, error, driver_error, dialect=connection.dialect) from error


def driver_of(connection: sa.Connection) -> Any:
    return connection.connection.driver_connection


def begin_write(connection: sa.Connection) -> None:
    """Begin a transaction that may write, on SQLite, on the driver's connection."""
    run_text(connection, "BEGIN IMMEDIATE")


def commit_write(connection: sa.Connection) -> None:
    """Commit the transaction of `begin_write`, whether SQLAlchemy has used it or not."""
    if connection.in_transaction():
        connection.commit()
    else:  # all statements went to the driver directly
        run_text(connection, "COMMIT")


def abandon(connection: sa.Connection) -> None:
    """Roll back an open transaction, so that the next group can begin (a full disk may have space again)."""
    connection.rollback()
    if driver_of(connection).in_transaction:
        driver_of(connection).rollback()
