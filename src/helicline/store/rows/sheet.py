"""What was logged to a run that is over, in one piece: a page of runs is read without a row for each fact.

A sheet is a copy, and never the only one: each unit that changes what it was made of drops it, and the next reader who
misses it has it made again, after its own answer. Runs under way have none, they change too often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
import sqlalchemy as sa

from helicline.records.run import DatasetInput, MetricPoint, ModelOutput
from helicline.store.noun import metadata
from helicline.store.rows.among import rows_among
from helicline.store.rows.experiment import Exact, add_missing
from helicline.store.rows.metric import Latest
from helicline.store.unit import Reader, Tx

RUN_SHEET = sa.Table(
    "run_sheet",
    metadata,
    sa.Column("run", Exact, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
OVER = ("FINISHED", "FAILED", "KILLED")
AT_ONCE = 5000  # facts in sheets that are made in one unit: others wait for it


class Logged(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a run has besides its own row. A release that changes this empties the table in its migration."""

    metrics: tuple[Latest, ...] = ()
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    inputs: tuple[DatasetInput, ...] = ()
    model_inputs: tuple[str, ...] = ()
    model_outputs: tuple[ModelOutput, ...] = ()

    @property
    def size(self) -> int:
        return 1 + len(self.metrics) + len(self.params) + len(self.tags)

    @property
    def points(self) -> tuple[MetricPoint, ...]:
        return tuple([MetricPoint(*latest) for latest in self.metrics])


# what makes sheets of runs: a bulk, whose items are lists of ids
Make = Callable[[Tx, Sequence[Sequence[str]]], list[None]]
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Logged)


def sheets(tx: Reader, run_ids: Sequence[str]) -> dict[str, Logged]:
    """Return what was logged to those of the runs that have a sheet."""
    found = rows_among(tx, "SELECT run, body FROM run_sheet WHERE run IN {ids}", run_ids)
    return {run: _DECODER.decode(body) for run, body in found}


def drop(tx: Tx, run_ids: Iterable[str]) -> None:
    """Forget the sheets of runs that change."""
    rows_among(tx, "DELETE FROM run_sheet WHERE run IN {ids}", sorted(run_ids))


def miss(tx: Reader, missed: Iterable[tuple[str, Logged]], make: Make) -> None:
    """Have sheets made for some of these runs, once the view has been answered."""
    ids: list[str] = []
    size = 0
    for run_id, logged in missed:
        size += logged.size
        if size > AT_ONCE:
            break
        ids.append(run_id)
    if ids:
        tx.afterwards.append((make, ids))


def keep(tx: Tx, found: dict[str, Logged]) -> None:
    """Keep what was logged to each run as its sheet."""
    add_missing(tx, RUN_SHEET, [{"run": run, "body": _ENCODER.encode(logged)} for run, logged in found.items()])
