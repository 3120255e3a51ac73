"""Runs with their parameters, tags and inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from helicline.clock import epoch_ms, from_epoch_ms
from helicline.records.run import DatasetInput, ModelOutput, Run
from helicline.store.noun import metadata
from helicline.store.rows import metric, run_summary
from helicline.store.rows.by_ids import by_run, rows_by_ids
from helicline.store.rows.experiment import Exact, add_missing, insert_into
from helicline.store.unit import Reader, Tx

RUN = sa.Table(
    "run",
    metadata,
    sa.Column("id", Exact, primary_key=True),
    sa.Column("experiment", sa.BigInteger, nullable=False),
    sa.Column("name", Exact, nullable=False),
    sa.Column("user", Exact, nullable=False),
    sa.Column("status", Exact, nullable=False),
    sa.Column("lifecycle", Exact, nullable=False),
    sa.Column("start_ms", sa.BigInteger, nullable=False),
    sa.Column("end_ms", sa.BigInteger),
    sa.Column("artifact_uri", Exact, nullable=False),
)
_BROWSE = (RUN.c.experiment, RUN.c.lifecycle, RUN.c.start_ms.desc(), RUN.c.id)
# SQLite filters by the index before it fetches a run; PostgreSQL's index entries are too small for long names
sa.Index("ix_run_browse", *_BROWSE, info={"only": "postgresql"}).ddl_if(dialect="postgresql")
sa.Index("ix_run_scan", *_BROWSE, RUN.c.status, RUN.c.name, RUN.c.end_ms, info={"only": "sqlite"}).ddl_if(
    dialect="sqlite"
)


def _facts(name: str) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        sa.Column("run", Exact, primary_key=True),
        sa.Column("key", Exact, primary_key=True),
        sa.Column("value", Exact, nullable=False),
        # the beginning of the value: a whole value may be too long for an index
        sa.Column("head", Exact),
        sa.Index(f"ix_{name}_head", "key", "head", "run"),
        sqlite_with_rowid=False,
    )


RUN_PARAM = _facts("run_param")
RUN_TAG = _facts("run_tag")
RUN_DATASET = sa.Table(
    "run_dataset",
    metadata,
    sa.Column("id", Exact, primary_key=True),
    sa.Column("name", Exact, nullable=False),
    sa.Column("digest", Exact, nullable=False),
    sa.Column("source_type", Exact, nullable=False),
    sa.Column("source", Exact, nullable=False),
    sa.Column("schema", Exact, nullable=False),
    sa.Column("profile", Exact, nullable=False),
)
RUN_INPUT = sa.Table(
    "run_input",
    metadata,
    sa.Column("run", Exact, primary_key=True),
    sa.Column("dataset", Exact, primary_key=True),
    sa.Column("context", Exact, nullable=False),
    sa.Column("tags", sa.Text, nullable=False),
    # in the order of logging; 0 for those that were logged before the order was stored
    sa.Column("position", sa.BigInteger, nullable=False, server_default="0"),
)
RUN_MODEL = sa.Table(
    "run_model",
    metadata,
    sa.Column("run", Exact, primary_key=True),
    sa.Column("kind", Exact, primary_key=True),  # input or output
    sa.Column("model", Exact, primary_key=True),
    sa.Column("step", sa.BigInteger, nullable=False),
)
HEAD_LENGTH = 60
CONTEXT_TAG = "mlflow.data.context"


def save(tx: Tx, run: Run) -> None:
    """Write the run's own row; parameters, tags and metrics have their own functions."""
    row = {
        "id": run.run_id,
        "experiment": int(run.experiment_id),
        "name": run.name,
        "user": run.user,
        "status": run.status,
        "lifecycle": run.lifecycle,
        "start_ms": epoch_ms(run.start_time),
        "end_ms": None if run.end_time is None else epoch_ms(run.end_time),
        "artifact_uri": run.artifact_uri,
    }
    statement = insert_into(tx, RUN)
    changed = {name: statement.excluded[name] for name in row if name != "id"}
    tx.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed), row)
    run_summary.drop(tx, [run.run_id])  # another transaction may have written it meanwhile


def set_lifecycle_of_experiment(tx: Tx, experiment_id: str, lifecycle: str) -> None:
    tx.execute(RUN.update().where(RUN.c.experiment == int(experiment_id)).values(lifecycle=lifecycle))


def add_params(tx: Tx, run_id: str, params: dict[str, str]) -> dict[str, str]:
    """Add the new parameters, and return the stored value of each of these keys."""
    add_missing(tx, RUN_PARAM, _fact_rows(run_id, params))
    table = RUN_PARAM.c
    statement = sa.select(table.key, table.value).where(table.run == run_id, table.key.in_(list(params)))
    return {row.key: row.value for row in tx.execute(statement)}


def set_tags(tx: Tx, run_id: str, tags: dict[str, str]) -> None:
    if not tags:
        return
    statement = insert_into(tx, RUN_TAG)
    statement = statement.on_conflict_do_update(
        index_elements=["run", "key"], set_={name: statement.excluded[name] for name in ("value", "head")}
    )
    tx.execute(statement, _fact_rows(run_id, tags))


def drop_tag(tx: Tx, run_id: str, key: str) -> int:
    return int(tx.execute(RUN_TAG.delete().where(RUN_TAG.c.run == run_id, RUN_TAG.c.key == key)).rowcount)


def _fact_rows(run_id: str, values: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"run": run_id, "key": key, "value": value, "head": value[:HEAD_LENGTH]}
        for key, value in sorted(values.items())
    ]


def add_input(tx: Tx, run: Run, dataset: DatasetInput) -> None:
    """Link the run to the dataset; the first dataset of a name and digest in an experiment is stored."""
    identity = hashlib.sha256(msgspec.json.encode([run.experiment_id, dataset.name, dataset.digest])).hexdigest()
    fields = ("name", "digest", "source_type", "source", "schema", "profile")
    add_missing(tx, RUN_DATASET, [{"id": identity} | {name: getattr(dataset, name) for name in fields}])
    link = {
        "run": run.run_id,
        "dataset": identity,
        "context": dataset.tags.get(CONTEXT_TAG, ""),
        "tags": msgspec.json.encode(dataset.tags).decode(),
        "position": _next_position(tx, run.run_id),
    }
    add_missing(tx, RUN_INPUT, [link])


def _next_position(tx: Tx, run_id: str) -> int:
    statement = sa.select(sa.func.max(RUN_INPUT.c.position)).where(RUN_INPUT.c.run == run_id)
    return int(tx.execute(statement).scalar() or 0) + 1


def dataset_uses(tx: Reader, experiment_ids: Sequence[int], *, limit: int = 1000) -> list[tuple[str, str, str, str]]:
    """Return each (experiment id, name, digest, context) of the datasets that the experiments' runs used."""
    tables = RUN_INPUT.join(RUN_DATASET, RUN_DATASET.c.id == RUN_INPUT.c.dataset).join(RUN, RUN.c.id == RUN_INPUT.c.run)
    columns = (RUN.c.experiment, RUN_DATASET.c.name, RUN_DATASET.c.digest, RUN_INPUT.c.context)
    statement = sa.select(*columns).select_from(tables).where(RUN.c.experiment.in_(experiment_ids)).distinct()
    rows = tx.execute(statement.order_by(*columns).limit(limit))
    return [(str(row.experiment), row.name, row.digest, row.context) for row in rows]


def find_tag(tx: Reader, run_id: str, key: str) -> str | None:
    statement = sa.select(RUN_TAG.c.value).where(RUN_TAG.c.run == run_id, RUN_TAG.c.key == key)
    value = tx.execute(statement).scalar()
    return None if value is None else str(value)


def link_models(tx: Tx, run_id: str, kind: str, models: Sequence[ModelOutput]) -> None:
    rows = [{"run": run_id, "kind": kind, "model": model.model_id, "step": model.step} for model in models]
    add_missing(tx, RUN_MODEL, rows)


def find(tx: Reader, run_id: str) -> Run | None:
    """Return the whole run, deleted or not."""
    runs = load(tx, tx.execute(sa.select(RUN).where(RUN.c.id == run_id)).all())
    return runs[0] if runs else None


def find_info(tx: Reader, run_id: str) -> Run | None:
    """Return the run without its logged data. In a unit of work its row is locked for a change until the end."""
    statement = sa.select(RUN).where(RUN.c.id == run_id)
    if not isinstance(tx, Tx):
        row = tx.execute(statement).first()
    else:
        row = tx.execute(statement.with_for_update()).first()
        run_summary.drop(tx, [run_id])  # after the lock, because its previous holder may have written a summary
    return None if row is None else record(row)


def lock_runs(tx: Tx, run_ids: Iterable[str]) -> dict[str, str]:
    """Return the lifecycle stage of each existing run; the rows are locked for additions until the unit ends."""
    suffix = " FOR SHARE" if tx.is_postgres else ""
    stages = f"SELECT id, lifecycle, status FROM run WHERE id IN {{ids}} ORDER BY id{suffix}"
    rows = rows_by_ids(tx, stages, sorted(run_ids))
    run_summary.drop(tx, [run for run, _, status in rows if status in run_summary.ENDED_STATUSES])
    return {run: stage for run, stage, _ in rows}


def load(tx: Reader, rows: Sequence[Sequence[Any]]) -> list[Run]:
    """Return the runs of these rows with their logged data."""
    ids = [row[0] for row in rows]
    summaries = run_summary.find(tx, ids)
    missing = [run_id for run_id in ids if run_id not in summaries]
    if missing:
        logged = _logged(tx, missing)
        summaries |= logged
        ended = (row[0] for row in rows if row[4] in run_summary.ENDED_STATUSES and row[0] in logged)
        run_summary.request(tx, ((run_id, logged[run_id]) for run_id in ended), _make_summaries)
    inputs = _inputs_of(tx, ids)
    return [_run_of(row, summaries[row[0]], tuple(inputs.get(row[0], ()))) for row in rows]


def _run_of(row: Sequence[Any], logged: run_summary.RunSummary, inputs: tuple[DatasetInput, ...]) -> Run:
    return record(
        row,
        metrics=logged.points,
        params=logged.params,
        tags=logged.tags,
        inputs=inputs,
        model_inputs=logged.model_inputs,
        model_outputs=logged.model_outputs,
    )


def _make_summaries(tx: Tx, groups: Sequence[Sequence[str]]) -> list[None]:
    """Write the summaries of those runs that have ended: a bulk whose items are lists of ids."""
    suffix = " FOR UPDATE SKIP LOCKED" if tx.is_postgres else ""  # the holder of a lock is changing the run
    ids = sorted({run_id for group in groups for run_id in group})
    statuses = rows_by_ids(tx, f"SELECT id, status FROM run WHERE id IN {{ids}} ORDER BY id{suffix}", ids)
    run_summary.save(tx, _logged(tx, [run_id for run_id, status in statuses if status in run_summary.ENDED_STATUSES]))
    return [None] * len(groups)


def _logged(tx: Reader, ids: Sequence[str]) -> dict[str, run_summary.RunSummary]:
    latest, params, tags = metric.latest_of(tx, ids), _facts_of(tx, "run_param", ids), _facts_of(tx, "run_tag", ids)
    models = _models_of(tx, ids)
    return {
        run_id: run_summary.RunSummary(
            tuple(latest.get(run_id, ())),
            params.get(run_id, {}),
            tags.get(run_id, {}),
            tuple(model_input.model_id for model_input in models.get((run_id, "input"), ())),
            tuple(models.get((run_id, "output"), ())),
        )
        for run_id in ids
    }


def _facts_of(tx: Reader, table: str, ids: Sequence[str]) -> dict[str, dict[str, str]]:
    facts = rows_by_ids(tx, f"SELECT run, key, value FROM {table} WHERE run IN {{ids}} ORDER BY run, key", ids)
    return {run: {key: value for _, key, value in rows} for run, rows in by_run(facts)}


_INPUTS = (
    "SELECT i.run, i.tags, d.name, d.digest, d.source_type, d.source, d.schema, d.profile FROM run_input AS i"
    " JOIN run_dataset AS d ON d.id = i.dataset WHERE i.run IN {ids} ORDER BY i.run, i.position, d.name, d.digest"
)
_MODELS = "SELECT run, kind, model, step FROM run_model WHERE run IN {ids} ORDER BY run, kind, model"


def _inputs_of(tx: Reader, ids: Sequence[str]) -> dict[str, list[DatasetInput]]:
    inputs: dict[str, list[DatasetInput]] = {}
    for run, tags, name, digest, source_type, source, schema, profile in rows_by_ids(tx, _INPUTS, ids):
        dataset = DatasetInput(
            name=name,
            digest=digest,
            source_type=source_type,
            source=source,
            schema=schema,
            profile=profile,
            tags=msgspec.json.decode(tags),
        )
        inputs.setdefault(run, []).append(dataset)
    return inputs


def _models_of(tx: Reader, ids: Sequence[str]) -> dict[tuple[str, str], list[ModelOutput]]:
    models: dict[tuple[str, str], list[ModelOutput]] = {}
    for run, kind, model, step in rows_by_ids(tx, _MODELS, ids):
        models.setdefault((run, kind), []).append(ModelOutput(model_id=model, step=step))
    return models


def record(row: Sequence[Any], **logged: Any) -> Run:
    """Return the run of the row, with its `logged` data. The row may have more columns after those of the run."""
    run_id, experiment, name, user, status, lifecycle, start_ms, end_ms, artifact_uri = row[: len(RUN.c)]
    return Run(
        run_id=run_id,
        experiment_id=str(experiment),
        name=name,
        status=status,
        lifecycle=lifecycle,
        user=user,
        start_time=from_epoch_ms(start_ms),
        end_time=None if end_ms is None else from_epoch_ms(end_ms),
        artifact_uri=artifact_uri,
        **logged,
    )
