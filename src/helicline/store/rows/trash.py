"""Deleted runs, models and experiments, and their permanent removal (note 0015)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from helicline.records.event import Event
from helicline.records.run import LoggedModel, Run
from helicline.store.noun import metadata
from helicline.store.rows import logged_model as models
from helicline.store.rows import run as runs
from helicline.store.rows.artifact import ARTIFACT, is_below
from helicline.store.rows.event import EVENT
from helicline.store.rows.experiment import EXPERIMENT
from helicline.store.rows.logged_model import LOGGED_MODEL, LOGGED_MODEL_FACT, LOGGED_MODEL_METRIC
from helicline.store.rows.metric import METRIC_BLOCK, METRIC_TAIL, SERIES
from helicline.store.rows.run import RUN, RUN_DATASET, RUN_INPUT, RUN_MODEL, RUN_PARAM, RUN_TAG
from helicline.store.rows.trace import TRACE
from helicline.store.unit import Reader, Tx

BATCH_SIZE = 500
# text in a document that could be a digest; its blob is kept even if the text is something else
DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def deleted_runs(tx: Reader) -> list[Run]:
    """Return the deleted runs, without their logged data."""
    return [runs.record(row) for row in tx.execute(sa.select(RUN).where(RUN.c.lifecycle == "deleted"))]


def runs_of(tx: Reader, experiment_id: str) -> list[Run]:
    """Return all runs of the experiment, without their logged data."""
    return [runs.record(row) for row in tx.execute(sa.select(RUN).where(RUN.c.experiment == int(experiment_id)))]


def deleted_models(tx: Reader) -> list[LoggedModel]:
    statement = sa.select(LOGGED_MODEL).where(LOGGED_MODEL.c.lifecycle == "deleted")
    return [models.info_of(row) for row in tx.execute(statement)]


def models_of(tx: Reader, experiment_id: str) -> list[LoggedModel]:
    """Return all logged models of the experiment, deleted or not."""
    statement = sa.select(LOGGED_MODEL).where(LOGGED_MODEL.c.experiment == int(experiment_id))
    return [models.info_of(row) for row in tx.execute(statement)]


def last_deleted(tx: Reader, noun: str, ids: Sequence[str]) -> dict[str, datetime]:
    """Return the time of the last deletion of each id, from the events."""
    times: dict[str, datetime] = {}
    for start in range(0, len(ids), BATCH_SIZE):
        column = EVENT.c
        conditions = (column.noun == noun, column.verb == "deleted", column.id.in_(ids[start : start + BATCH_SIZE]))
        for (doc,) in tx.execute(sa.select(column.doc).where(*conditions).order_by(column.seq)):
            event = msgspec.json.decode(doc, type=Event)
            times[event.id] = event.at
    return times


def remove_run(tx: Tx, run_id: str) -> None:
    """Remove the run with its logged data; its artifacts are removed separately."""
    runs.find_info(tx, run_id)
    series = sa.select(SERIES.c.id).where(SERIES.c.run == run_id)
    used = [row.dataset for row in tx.execute(sa.select(RUN_INPUT.c.dataset).where(RUN_INPUT.c.run == run_id))]
    tx.execute(METRIC_BLOCK.delete().where(METRIC_BLOCK.c.series.in_(series)))
    for table in (METRIC_TAIL, SERIES, RUN_PARAM, RUN_TAG, RUN_INPUT, RUN_MODEL):
        tx.execute(table.delete().where(table.c.run == run_id))
    tx.execute(RUN.delete().where(RUN.c.id == run_id))
    is_used = sa.exists().where(RUN_INPUT.c.dataset == RUN_DATASET.c.id)
    tx.execute(RUN_DATASET.delete().where(RUN_DATASET.c.id.in_(used), ~is_used))


def remove_model(tx: Tx, model_id: str) -> None:
    """Remove the logged model with its parameters, tags and metrics, and the links of runs to it."""
    linked = tx.execute(RUN_MODEL.delete().where(RUN_MODEL.c.model == model_id).returning(RUN_MODEL.c.run))
    runs.lock_runs(tx, {row.run for row in linked})
    for table in (LOGGED_MODEL_FACT, LOGGED_MODEL_METRIC):
        tx.execute(table.delete().where(table.c.model == model_id))
    tx.execute(LOGGED_MODEL.delete().where(LOGGED_MODEL.c.id == model_id))


def remove_experiment(tx: Tx, experiment_id: str) -> None:
    tx.execute(EXPERIMENT.delete().where(EXPERIMENT.c.id == int(experiment_id)))


def traces_of(tx: Reader, experiment_id: str, *, limit: int) -> list[str]:
    """Return at most `limit` ids of traces of the experiment."""
    statement = sa.select(TRACE.c.id).where(TRACE.c.experiment == int(experiment_id)).limit(limit)
    return [row.id for row in tx.execute(statement)]


def old_traces(tx: Reader, experiment_id: str, *, before_ms: int, limit: int) -> list[str]:
    """Return at most `limit` ids of traces of the experiment that began before then, the oldest first."""
    where = (TRACE.c.experiment == int(experiment_id), TRACE.c.timestamp_ms < before_ms)
    statement = sa.select(TRACE.c.id).where(*where).order_by(TRACE.c.timestamp_ms).limit(limit)
    return list(tx.execute(statement).scalars())


def trace_count(tx: Reader, experiment_id: str, *, before_ms: int | None = None) -> int:
    """Return how many traces the experiment has, of those that began before then."""
    where = [TRACE.c.experiment == int(experiment_id)]
    if before_ms is not None:
        where.append(TRACE.c.timestamp_ms < before_ms)
    statement = sa.select(sa.func.count()).select_from(TRACE).where(*where)
    return int(tx.execute(statement).scalar() or 0)


def named_digests(tx: Reader, *, without: Sequence[str] = ()) -> Iterator[str]:
    """Yield every digest in the database: of artifacts, except below the folders `without`, and in any document."""
    files = sa.select(ARTIFACT.c.hash).where(*(~is_below(root) for root in without))
    yield from (row.hash for row in _streamed(tx, files))
    for table in metadata.sorted_tables:
        # an event describes the past; every other document describes the present
        if "doc" in table.c and table is not EVENT:
            for row in _streamed(tx, sa.select(table.c.doc)):
                yield from DIGEST.findall(row.doc)


def _streamed(tx: Reader, statement: sa.Select[Any]) -> Any:
    return tx.execute(statement.execution_options(yield_per=1000))
