"""Queries of what stands where now: each is one statement, and walks indexes, however much has ended."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from helicline.records.loop import RESTING, Turn
from helicline.records.model import ModelVersion
from helicline.records.pipeline import PipelineRun
from helicline.store.noun import column_value
from helicline.store.nouns import LOOPS, MODELS, PIPELINE_RUNS, TURNS, VERSIONS
from helicline.store.unit import Reader

# Outer joins keep SQLite from reading all of the larger table and looking for the smaller one by each of its rows.


def newest_versions(tx: Reader) -> dict[str, ModelVersion]:
    """Return the newest version of each model that is not deleted, by model."""
    model, version, newer = MODELS.table, VERSIONS.table, VERSIONS.table.alias()
    number = (
        sa.select(newer.c.number)
        .where(newer.c.model == model.c.name, newer.c.deleted.is_(False))
        .order_by(newer.c.number.desc())
        .limit(1)
        .correlate(model)
        .scalar_subquery()
    )
    newest = sa.and_(version.c.model == model.c.name, version.c.number == number)
    statement = sa.select(version.c.doc).select_from(model.outerjoin(version, newest))
    return {record.model: record for record in VERSIONS.records(tx, statement)}


def stopped_turns(tx: Reader) -> list[Turn]:
    """Return the turns that a gate stopped since the last promotion of their loop."""
    loop, turn, promoted = LOOPS.table, TURNS.table, TURNS.table.alias()
    last = (
        sa.select(promoted.c.number)
        .where(promoted.c.loop == loop.c.name, promoted.c.state == "PROMOTED")
        .order_by(promoted.c.number.desc())
        .limit(1)
        .correlate(loop)
        .scalar_subquery()
    )
    since = sa.and_(turn.c.loop == loop.c.name, turn.c.state == RESTING, turn.c.number > sa.func.coalesce(last, 0))
    statement = sa.select(turn.c.doc).select_from(loop.outerjoin(turn, since)).order_by(loop.c.name, turn.c.number)
    return TURNS.records(tx, statement)


def newest_failed_runs(tx: Reader, since: datetime) -> list[PipelineRun]:
    """Return the runs that failed since then and that no later run of their pipeline has replaced."""
    run, later = PIPELINE_RUNS.table, PIPELINE_RUNS.table.alias()
    replaced = sa.exists().where(later.c.pipeline == run.c.pipeline, later.c.created_at > run.c.created_at)
    statement = (
        sa.select(run.c.doc)
        .where(run.c.state == "FAILED", run.c.created_at > column_value(since), ~replaced)
        .order_by(run.c.id)
    )
    return PIPELINE_RUNS.records(tx, statement)
