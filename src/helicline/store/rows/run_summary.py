"""Run summary rows: one row holds all that was logged to a finished run, so a page of runs reads one row a run.

A summary is a copy of other rows, never the only one. Each unit of work that changes those rows drops the summary; the
next reader that misses it has it written again, after its own answer. Runs under way have none: they change too often.
See docs/decisions/0018-run-summary-rows.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import msgspec
import sqlalchemy as sa

from helicline.records.run import MetricPoint, ModelOutput
from helicline.store.noun import metadata
from helicline.store.rows.among import rows_among
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
OVER = ("FINISHED", "FAILED", "KILLED")
MOST_BYTES = 250_000  # of the summaries that one view has made: writers wait for it; a longer one is never made


class RunSummary(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a run has besides its own row and its datasets, which are long and shared by many runs.

    A release that changes this, or ModelOutput, empties the table in its migration.
    """

    metrics: tuple[Latest, ...] = ()
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    model_inputs: tuple[str, ...] = ()
    model_outputs: tuple[ModelOutput, ...] = ()

    @property
    def size(self) -> int:
        """About how many bytes the summary will take."""
        texts = sum(len(key) + len(value) for facts in (self.params, self.tags) for key, value in facts.items())
        return 40 * (1 + len(self.metrics)) + texts

    @property
    def points(self) -> tuple[MetricPoint, ...]:
        return tuple([MetricPoint(*latest) for latest in self.metrics])


# what makes summaries of runs: a bulk, whose items are lists of ids
Make = Callable[[Tx, Sequence[Sequence[str]]], list[None]]
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(RunSummary)


def find(tx: Reader, run_ids: Sequence[str]) -> dict[str, RunSummary]:
    """Return what was logged to those of the runs that have a summary."""
    rows = rows_among(tx, "SELECT run, body FROM run_summary WHERE run IN {ids}", run_ids)
    summaries = {}
    for run, body in rows:
        try:
            summaries[run] = _DECODER.decode(body)
        except msgspec.MsgspecError as error:  # the rows say it, too, and a new one is made of them
            log.warning("the summary of run %s cannot be read: %s", run, error)
    return summaries


def drop(tx: Tx, run_ids: Iterable[str]) -> None:
    """Forget the summaries of runs that change."""
    rows_among(tx, "DELETE FROM run_summary WHERE run IN {ids}", sorted(run_ids))


def request(tx: Reader, missing: Iterable[tuple[str, RunSummary]], make: Make) -> None:
    """Have summaries made for some of these runs, once the view has been answered."""
    ids: list[str] = []
    size = 0
    for run_id, logged in missing:
        if size + logged.size <= MOST_BYTES:
            size += logged.size
            ids.append(run_id)
    if ids:
        tx.background_writes.append((make, ids))


def encoded(logged: RunSummary) -> bytes:
    return _ENCODER.encode(logged)


def save(tx: Tx, summaries: dict[str, RunSummary]) -> None:
    """Keep what was logged to each run as its summary."""
    if summaries:
        statement = insert_into(tx, RUN_SUMMARY)
        replaced = statement.on_conflict_do_update(index_elements=["run"], set_={"body": statement.excluded.body})
        tx.execute(replaced, [{"run": run, "body": encoded(logged)} for run, logged in summaries.items()])
