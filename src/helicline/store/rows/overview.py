"""Queries of what stands where now: each is one statement, and walks indexes, however much has ended."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from helicline.records.model import ModelVersion
from helicline.records.pipeline import PipelineRun
from helicline.store.noun import column_value
from helicline.store.nouns import MODELS, PIPELINE_RUNS, VERSIONS
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
