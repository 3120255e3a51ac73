"""Logging to a run: metrics, parameters, tags, inputs and outputs."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from helicline.errors import Invalid, NotFound
from helicline.records.run import DatasetInput, MetricPoint, ModelOutput, Run
from helicline.store.rows import logged_model as model_rows
from helicline.store.rows import metric
from helicline.store.rows import run as rows
from helicline.store.rows.block import Points, points_of
from helicline.store.unit import Reader, Tx
from helicline.tracking import checks
from helicline.tracking.errors import NotActive, ParamChanged
from helicline.tracking.experiment import experiment_number
from helicline.tracking.page_token import decode_token, encode_token
from helicline.tracking.run import NAME_TAG, active_run, checked_tag

NameCheck = Callable[[str, str, str], str]
MODELS_TAG = "mlflow.log-model.history"
MODEL_FIELDS = ("run_id", "artifact_path", "utc_time_created", "model_uuid")
MAX_MODELS_TEXT = 1_000_000
DATASET_LIMITS = {"name": 500, "digest": 36, "source": 65_535, "schema": 1_048_575, "profile": 16_777_215}


def log_batch(
    tx: Tx,
    run_id: str,
    *,
    metrics: Iterable[MetricPoint] = (),
    params: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
) -> None:
    """Store all of it or, where anything is invalid, nothing. A repeated call changes nothing.

    Names of metrics and parameters may hold an `@`, which MLflow's wire refuses before.

    Raises:
        ParamChanged: a parameter has another value.
    """
    points = [checked_point(point, number, check_name=checks.checked_name) for number, point in enumerate(metrics)]
    checked_tags = {
        key: checked_tag(key, value, f"tags[{index}]") for index, (key, value) in enumerate((tags or {}).items())
    }
    checked_params = _checked_params(params or {})
    run = active_run(tx, run_id)
    missing = _missing_model(tx, points)
    if missing is not None:
        raise missing
    _log_params(tx, run_id, checked_params)
    metric.add(tx, [(run_id, points)])
    _log_model_metrics(tx, run_id, points)
    rows.set_tags(tx, run_id, checked_tags)
    _rename(tx, run, checked_tags)


def log_metrics(tx: Tx, batches: Sequence[tuple[str, Sequence[MetricPoint]]]) -> Sequence[NotFound | NotActive | None]:
    """Store points of many runs (a bulk of `Store.gather`); the points must be checked.

    Returns for each (run_id, points) None, or the error where nothing of it was stored.
    """
    stages = rows.lock_runs(tx, {run_id for run_id, _ in batches})
    errors = [_rejection(tx, run_id, points, stages) for run_id, points in batches]
    accepted = [batch for batch, error in zip(batches, errors, strict=True) if error is None]
    metric.add(tx, accepted)
    for run_id, points in accepted:
        _log_model_metrics(tx, run_id, points)
    return errors


def _rejection(
    tx: Tx, run_id: str, points: Sequence[MetricPoint], stages: dict[str, str]
) -> NotFound | NotActive | None:
    if run_id not in stages:
        return NotFound("run", run_id)
    if stages[run_id] != "active":
        return NotActive("run", run_id, stages[run_id])
    return _missing_model(tx, points)


def _missing_model(tx: Tx, points: Sequence[MetricPoint]) -> NotFound | None:
    for model_id in {point.model_id for point in points if point.model_id}:
        if model_rows.find(tx, model_id) is None:
            return NotFound("logged model", model_id)
    return None


def _checked_params(params: dict[str, str]) -> dict[str, str]:
    checked = {}
    for number, (key, value) in enumerate(params.items()):
        checks.checked_name(f"params[{number}].key", "Param key", key)
        checked[key] = checks.checked_text(f"params[{number}].value", value)[:6000]
    return checked


def _log_params(tx: Tx, run_id: str, params: dict[str, str]) -> None:
    if not params:
        return
    for key, stored in rows.add_params(tx, run_id, params).items():
        if stored != params[key]:
            raise ParamChanged(
                run_id,
                key,
                f"Changing param values is not allowed. Param with key='{key}' was already logged with"
                f" value='{stored}' for run ID='{run_id}'. Attempted logging new value '{params[key]}'.",
            )


def _log_model_metrics(tx: Tx, run_id: str, points: Sequence[MetricPoint]) -> None:
    model_rows.add_metrics(tx, [msgspec.structs.replace(point, run_id=run_id) for point in points if point.model_id])


def _rename(tx: Tx, run: Run, tags: dict[str, str]) -> None:
    name = tags.get(NAME_TAG) or run.name
    if name != run.name:
        rows.save(tx, msgspec.structs.replace(run, name=name))


def checked_points(points: Iterable[MetricPoint]) -> list[MetricPoint]:
    """Return the points of a batch in the form to store, their names by MLflow's grammar. Raises Invalid."""
    return [checked_point(point, number) for number, point in enumerate(points)]


def checked_point(
    point: MetricPoint, number: int | None = None, *, check_name: NameCheck = checks.checked_key
) -> MetricPoint:
    """Return the point in the form to store: infinities become the largest finite numbers.

    Raises:
        Invalid: with the field, which includes `number`, the position in the batch, where there is one.
    """
    if not checks.is_plain_key(point.key):
        check_name(_field("name", number), "Metric name", point.key)
    if not 0 <= point.timestamp_ms <= checks.MAX_TIME_MS:
        checks.checked_time(_field("timestamp", number), point.timestamp_ms)
    if not -checks.INT64 <= point.step < checks.INT64:
        checks.checked_int64(_field("step", number), point.step)
    if math.isinf(point.value):
        return msgspec.structs.replace(point, value=math.copysign(sys.float_info.max, point.value))
    return point


def _field(name: str, number: int | None) -> str:
    return name if number is None else f"metrics[{number}].{name}"


def untag_run(tx: Tx, run_id: str, key: str) -> None:
    active_run(tx, run_id)
    if not rows.drop_tag(tx, run_id, key):
        raise NotFound("run tag", key, run_id)


def log_inputs(tx: Tx, run_id: str, *, datasets: Sequence[DatasetInput] = (), model_ids: Sequence[str] = ()) -> None:
    """Link the run to the datasets and models that it used."""
    run = active_run(tx, checks.checked_run("run_id", run_id))
    for number, dataset in enumerate(datasets):
        rows.add_input(tx, run, _checked_dataset(dataset, f"datasets[{number}]"))
    models = [ModelOutput(model_id=checks.checked_ref("models.model_id", model_id)) for model_id in model_ids]
    rows.link_models(tx, run_id, "input", models)


def log_outputs(tx: Tx, run_id: str, models: Sequence[ModelOutput]) -> None:
    """Link the run to the models that it produced."""
    active_run(tx, run_id)
    for model in models:
        checks.checked_int64("step", model.step)
        checks.checked_ref("models.model_id", model.model_id)
    rows.link_models(tx, run_id, "output", models)


def _checked_dataset(dataset: DatasetInput, path: str) -> DatasetInput:
    for field in ("name", "digest"):
        if not getattr(dataset, field):
            raise Invalid(f"{path}.{field}", "", f"Dataset {field} cannot be empty")
    for field, limit in DATASET_LIMITS.items():
        checks.checked_length(field, limit, getattr(dataset, field))
    for key, value in dataset.tags.items():
        checks.checked_length("key", 255, key)
        checks.checked_length("value", 500, value)
    return dataset


def record_model(tx: Tx, run_id: str, model: dict[str, Any]) -> None:
    """Append the model to the list in a tag of the run."""
    active_run(tx, run_id)
    stored = rows.find_tag(tx, run_id, MODELS_TAG)
    try:
        models = msgspec.json.decode(stored or "[]", type=list[Any])
    except msgspec.MsgspecError:
        models = []
    facts = {key: model[key] for key in MODEL_FIELDS if key in model}
    flavors = model["flavors"] if isinstance(model["flavors"], dict) else {}
    facts["flavors"] = {
        name: {key: value for key, value in flavor.items() if key != "config"} if isinstance(flavor, dict) else flavor
        for name, flavor in flavors.items()
    }
    text = msgspec.json.encode([*models, facts]).decode()
    if len(text) > MAX_MODELS_TEXT:
        raise Invalid("model_json", f"{len(text)} characters with those before", f"at most {MAX_MODELS_TEXT}")
    rows.set_tags(tx, run_id, {MODELS_TAG: text})


def dataset_uses(tx: Reader, experiment_ids: Sequence[str]) -> list[tuple[str, str, str, str]]:
    """Return each (experiment id, name, digest, context) of the datasets that the experiments' runs used."""
    return rows.dataset_uses(tx, [experiment_number(experiment_id) for experiment_id in experiment_ids])


def metric_history(
    tx: Reader, run_id: str, key: str, *, limit: int | None = None, page_token: str = ""
) -> tuple[Points, str]:
    """Return points of one series by timestamp, step, value, and the token of the next page, "" at the end.

    Returns no points where the run has no such key, and all points without a limit.
    """
    after = decode_token(page_token, metric.PointPosition) if page_token else None
    if rows.find_info(tx, run_id) is None:
        raise NotFound("run", run_id)
    series = metric.series_of(tx, run_id, [key]).get(key)
    if series is None:
        return points_of([]), ""
    if limit is None and after is None:
        return metric.all_points(tx, series), ""
    points, more = metric.page(tx, series, after=after, limit=limit or sys.maxsize)
    return points, encode_token(metric.position_at(points, -1)) if more else ""
