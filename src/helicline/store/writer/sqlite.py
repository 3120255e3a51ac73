"""The writer for SQLite: one thread commits all waiting units in one transaction.

Each unit has its own savepoint, so that a failing unit does not affect the others. See notes 0001 and 0010.
"""

from __future__ import annotations

import logging
from itertools import groupby

import sqlalchemy as sa

from helicline.store.engine import abandon, begin_write, commit_write, driver_of
from helicline.store.unit import Bulk
from helicline.store.writer.errors import root_error
from helicline.store.writer.group import GroupWriter
from helicline.store.writer.job import Job

log = logging.getLogger("helicline.store")


class SqliteWriter(GroupWriter):
    """The single writer; its thread has a connection of its own."""

    _connection: sa.Connection | None = None

    def _write_loop(self) -> None:
        super()._write_loop()
        if self._connection is not None:
            self._connection.close()

    def _commit(self, group: list[Job]) -> None:
        self._connection = self._connection or self._engine.connect().execution_options(writes=True)
        self._commit_group(self._connection, [job for job in group if not job.in_background])
        self._commit_group(self._connection, [job for job in group if job.in_background])

    def _commit_group(self, connection: sa.Connection, waiting: list[Job]) -> None:
        """Run every unit, commit once, then acknowledge."""
        group = [job for job in waiting if job.starts()]
        if group and not self._commit_at_once(connection, group):
            self._commit_by_savepoints(connection, group)
        self._acknowledge(group)

    def _commit_at_once(self, connection: sa.Connection, group: list[Job]) -> bool:
        """Commit one unit, or one bulk, without savepoints; return False where the group needs them."""
        bulk = group[0].bulk
        if len(group) > 1 and (bulk is None or any(job.bulk is not bulk for job in group)):
            return False
        begin_write(connection)  # an error here would occur with savepoints too
        try:
            if bulk is None:
                self._apply(connection, group[0])
            else:
                self._apply_bulk(connection, bulk, jobs=group)
            commit_write(connection)
        except Exception as error:
            abandon(connection)
            if len(group) > 1:
                return False
            group[0].error = error
        return True

    def _commit_by_savepoints(self, connection: sa.Connection, group: list[Job]) -> None:
        """Commit together all units that succeed, each under its own savepoint."""
        try:
            with connection.begin():
                for bulk, jobs in groupby(group, key=lambda job: job.bulk):
                    self._apply_consecutive(connection, bulk, jobs=list(jobs))
        except Exception as error:
            log.error("commit failed: %s", error)
            for job in group:
                job.error = error
            abandon(connection)

    def _apply_consecutive(self, connection: sa.Connection, bulk: Bulk | None, *, jobs: list[Job]) -> None:
        """Run consecutive jobs of one bulk together, and one by one where that fails."""
        if bulk is not None and len(jobs) > 1:
            try:
                with connection.begin_nested():
                    self._apply_bulk(connection, bulk, jobs=jobs)
            except Exception as error:
                _check_in_transaction(connection, error)
            else:
                return
        for job in jobs:
            try:
                with connection.begin_nested():
                    self._apply(connection, job)
            except Exception as error:
                job.error = error
                _check_in_transaction(connection, error)


def _check_in_transaction(connection: sa.Connection, error: Exception) -> None:
    """Raise the error where SQLite has rolled back the whole group, as it does on a full disk."""
    if not driver_of(connection).in_transaction:
        raise root_error(error)
