"""Run summary rows (note 0018): one row holds the data logged to an ended run, so a page of runs reads one row each.

A summary is a copy of other rows. Each unit of work that changes those rows deletes the summary; the next reader that
misses it requests a new one, which is written after the reader's answer. Active runs have none: they change too often.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import msgspec
import sqlalchemy as sa

from helicline.records.run import MetricPoint, ModelOutput
from helicline.store.noun import metadata
from helicline.store.rows.by_ids import rows_by_ids
from helicline.store.rows.experiment import Exact, insert_into
from helicline.store.rows.metric import Latest
from helicline.store.unit import Reader, Tx

RUN_SUMMARY = sa.Table(
    "run_summary",
    metadata,
    sa.Column("run", Exact, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
log = logging.getLogger("helicline.store")
ENDED_STATUSES = ("FINISHED", "FAILED", "KILLED")
# of the summaries that one view requests, because other writes wait for them; a larger summary is never written
MAX_BYTES = 250_000


class RunSummary(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The logged data of a run, without its datasets, which are long and shared by many runs.

    A release that changes this struct, or ModelOutput, empties the table in its migration.
    """

    metrics: tuple[Latest, ...] = ()
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    model_inputs: tuple[str, ...] = ()
    model_outputs: tuple[ModelOutput, ...] = ()

    @property
    def size(self) -> int:
        """Estimated size in bytes of the encoded summary."""
        texts = sum(len(key) + len(value) for facts in (self.params, self.tags) for key, value in facts.items())
        return 40 * (1 + len(self.metrics)) + texts

    @property
    def points(self) -> tuple[MetricPoint, ...]:
        return tuple([MetricPoint(*latest) for latest in self.metrics])


# writes summaries of runs: a bulk, whose items are lists of ids
Make = Callable[[Tx, Sequence[Sequence[str]]], list[None]]
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(RunSummary)


def find(tx: Reader, run_ids: Sequence[str]) -> dict[str, RunSummary]:
    """Return the summaries of those runs that have one."""
    rows = rows_by_ids(tx, "SELECT run, body FROM run_summary WHERE run IN {ids}", run_ids)
    summaries = {}
    for run, body in rows:
        try:
            summaries[run] = _DECODER.decode(body)
        except msgspec.MsgspecError as error:  # the other rows hold the same data; a new summary is made of them
            log.warning("the summary of run %s cannot be read: %s", run, error)
    return summaries


def drop(tx: Tx, run_ids: Iterable[str]) -> None:
    """Delete the summaries of runs that change."""
    rows_by_ids(tx, "DELETE FROM run_summary WHERE run IN {ids}", sorted(run_ids))


def request(tx: Reader, missing: Iterable[tuple[str, RunSummary]], make: Make) -> None:
    """Queue the writing of summaries for some of these runs, after the view has ended."""
    ids: list[str] = []
    size = 0
    for run_id, logged in missing:
        if size + logged.size <= MAX_BYTES:
            size += logged.size
            ids.append(run_id)
    if ids:
        tx.background_writes.append((make, ids))


def encoded(logged: RunSummary) -> bytes:
    return _ENCODER.encode(logged)


def save(tx: Tx, summaries: dict[str, RunSummary]) -> None:
    """Store the logged data of each run as its summary."""
    if summaries:
        statement = insert_into(tx, RUN_SUMMARY)
        replaced = statement.on_conflict_do_update(index_elements=["run"], set_={"body": statement.excluded.body})
        tx.execute(replaced, [{"run": run, "body": encoded(logged)} for run, logged in summaries.items()])
