"""Logged models with their parameters, tags and metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from helicline.clock import epoch_ms, from_epoch_ms
from helicline.records.run import LoggedModel, MetricPoint
from helicline.store.noun import metadata
from helicline.store.rows.experiment import Exact, add_missing, insert_into
from helicline.store.unit import Reader, Tx

LOGGED_MODEL = sa.Table(
    "logged_model",
    metadata,
    sa.Column("id", Exact, primary_key=True),
    sa.Column("experiment", sa.BigInteger, nullable=False),
    sa.Column("name", Exact, nullable=False),
    sa.Column("model_type", Exact, nullable=False),
    sa.Column("run", Exact, nullable=False, index=True),
    sa.Column("status", Exact, nullable=False),
    sa.Column("lifecycle", Exact, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("updated_ms", sa.BigInteger, nullable=False),
    sa.Column("artifact_uri", Exact, nullable=False),
    sa.Index("ix_logged_model_browse", "experiment", "lifecycle", "created_ms", "id"),
)
LOGGED_MODEL_FACT = sa.Table(
    "logged_model_fact",
    metadata,
    sa.Column("model", Exact, primary_key=True),
    sa.Column("kind", Exact, primary_key=True),  # param or tag
    sa.Column("key", Exact, primary_key=True),
    sa.Column("value", Exact, nullable=False),
)
LOGGED_MODEL_METRIC = sa.Table(
    "logged_model_metric",
    metadata,
    sa.Column("model", Exact, primary_key=True),
    sa.Column("key", Exact, primary_key=True),
    sa.Column("timestamp_ms", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("step", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("run", Exact, primary_key=True),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("is_nan", sa.Boolean, nullable=False),
    sa.Column("dataset_name", Exact, nullable=False),
    sa.Column("dataset_digest", Exact, nullable=False),
)


def save(tx: Tx, model: LoggedModel) -> None:
    """Write the model's own row; its parameters, tags and metrics have their own functions."""
    row = {
        "id": model.model_id,
        "experiment": int(model.experiment_id),
        "name": model.name,
        "model_type": model.model_type,
        "run": model.source_run_id,
        "status": model.status,
        "lifecycle": model.lifecycle,
        "created_ms": epoch_ms(model.created_at),
        "updated_ms": epoch_ms(model.updated_at),
        "artifact_uri": model.artifact_uri,
    }
    statement = insert_into(tx, LOGGED_MODEL)
    changed = {name: statement.excluded[name] for name in row if name != "id"}
    tx.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed), row)


def add_params(tx: Tx, model_id: str, params: dict[str, str]) -> None:
    add_missing(tx, LOGGED_MODEL_FACT, _facts(model_id, "param", params))


def set_tags(tx: Tx, model_id: str, tags: dict[str, str]) -> None:
    if not tags:
        return
    statement = insert_into(tx, LOGGED_MODEL_FACT)
    statement = statement.on_conflict_do_update(
        index_elements=["model", "kind", "key"], set_={"value": statement.excluded.value}
    )
    tx.execute(statement, _facts(model_id, "tag", tags))


def drop_tag(tx: Tx, model_id: str, key: str) -> int:
    fact = LOGGED_MODEL_FACT.c
    statement = LOGGED_MODEL_FACT.delete().where(fact.model == model_id, fact.kind == "tag", fact.key == key)
    return int(tx.execute(statement).rowcount)


def add_metrics(tx: Tx, points: Sequence[MetricPoint]) -> None:
    """Store the points that name a model."""
    rows = [
        {
            "model": point.model_id,
            "key": point.key,
            "timestamp_ms": point.timestamp_ms,
            "step": point.step,
            "run": point.run_id,
            "value": 0.0 if math.isnan(point.value) else point.value,
            "is_nan": math.isnan(point.value),
            "dataset_name": point.dataset_name,
            "dataset_digest": point.dataset_digest,
        }
        for point in points
        if point.model_id
    ]
    add_missing(tx, LOGGED_MODEL_METRIC, rows)


def find(tx: Reader, model_id: str) -> LoggedModel | None:
    """Return the model, deleted or not."""
    models = _load(tx, tx.execute(sa.select(LOGGED_MODEL).where(LOGGED_MODEL.c.id == model_id)).all())
    return models[0] if models else None


def of_run(tx: Reader, run_id: str) -> list[LoggedModel]:
    """Return the run's models that are not deleted, newest first."""
    table = LOGGED_MODEL.c
    statement = sa.select(LOGGED_MODEL).where(table.run == run_id, table.lifecycle == "active")
    return _load(tx, tx.execute(statement.order_by(table.created_ms.desc(), table.id)).all())


def of_experiments(tx: Reader, experiment_ids: Iterable[int]) -> list[LoggedModel]:
    """Return the experiments' models that are not deleted, newest first."""
    table = LOGGED_MODEL.c
    statement = sa.select(LOGGED_MODEL).where(table.experiment.in_(list(experiment_ids)), table.lifecycle == "active")
    return _load(tx, tx.execute(statement.order_by(table.created_ms.desc(), table.id)).all())


def _load(tx: Reader, rows: Sequence[sa.Row[Any]]) -> list[LoggedModel]:
    models: list[LoggedModel] = []
    for start in range(0, len(rows), 500):
        page = rows[start : start + 500]
        ids = [row.id for row in page]
        facts = _facts_of(tx, ids)
        metrics = _metrics_of(tx, ids)
        models += [_record(row, facts.get(row.id, {}), metrics.get(row.id, ())) for row in page]
    return models


def _facts(model_id: str, kind: str, values: dict[str, str]) -> list[dict[str, Any]]:
    return [{"model": model_id, "kind": kind, "key": key, "value": value} for key, value in sorted(values.items())]


def _facts_of(tx: Reader, ids: list[str]) -> dict[str, dict[str, dict[str, str]]]:
    fact = LOGGED_MODEL_FACT.c
    facts: dict[str, dict[str, dict[str, str]]] = {}
    for row in tx.execute(sa.select(LOGGED_MODEL_FACT).where(fact.model.in_(ids)).order_by(fact.key)):
        facts.setdefault(row.model, {}).setdefault(row.kind, {})[row.key] = row.value
    return facts


def _metrics_of(tx: Reader, ids: list[str]) -> dict[str, tuple[MetricPoint, ...]]:
    metric = LOGGED_MODEL_METRIC.c
    order = (metric.key, metric.timestamp_ms, metric.step)
    by_model: dict[str, list[MetricPoint]] = {}
    for row in tx.execute(sa.select(LOGGED_MODEL_METRIC).where(metric.model.in_(ids)).order_by(*order)):
        by_model.setdefault(row.model, []).append(
            MetricPoint(
                key=row.key,
                value=math.nan if row.is_nan else row.value,
                timestamp_ms=row.timestamp_ms,
                step=row.step,
                model_id=row.model,
                dataset_name=row.dataset_name,
                dataset_digest=row.dataset_digest,
                run_id=row.run,
            )
        )
    return {model: tuple(points) for model, points in by_model.items()}


def info_of(row: sa.Row[Any]) -> LoggedModel:
    """Return the model of the row, without parameters, tags and metrics."""
    return _record(row, {}, ())


def _record(row: sa.Row[Any], facts: dict[str, dict[str, str]], metrics: tuple[MetricPoint, ...]) -> LoggedModel:
    return LoggedModel(
        model_id=row.id,
        experiment_id=str(row.experiment),
        name=row.name,
        status=row.status,
        artifact_uri=row.artifact_uri,
        created_at=from_epoch_ms(row.created_ms),
        updated_at=from_epoch_ms(row.updated_ms),
        source_run_id=row.run,
        model_type=row.model_type,
        lifecycle=row.lifecycle,
        params=facts.get("param", {}),
        tags=facts.get("tag", {}),
        metrics=metrics,
    )
