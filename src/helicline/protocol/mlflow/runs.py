"""Runs and logging in the MLflow protocol."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from helicline import tracking
from helicline.clock import epoch_ms
from helicline.errors import Conflict
from helicline.protocol.mlflow import task_scope
from helicline.protocol.mlflow.errors import WireError, missing
from helicline.protocol.mlflow.fields import Fields
from helicline.protocol.mlflow.metric.points import log_batch_of, log_metric_of
from helicline.protocol.mlflow.request import Pair, Request, non_empty, pairs
from helicline.records.run import DatasetInput, MetricPoint, ModelOutput, Run
from helicline.tracking.checks import checked_key, checked_run

STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
MAX_BATCH_TEXT = 1_000_000
INFINITE = sys.float_info.max
ID_HEADER = "x-helicline-id"  # the id of the new run or model, so that `hl import` keeps the ids of another server


class WireInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    run_id: str
    run_uuid: str
    run_name: str = ""
    experiment_id: str
    user_id: str
    status: str
    start_time: int
    end_time: int | None = None
    artifact_uri: str = ""
    lifecycle_stage: str


def info_as_wire(run: Run) -> WireInfo:
    return WireInfo(
        run_id=run.run_id,
        run_uuid=run.run_id,
        run_name=run.name,
        experiment_id=run.experiment_id,
        user_id=run.user,
        status=run.status,
        start_time=epoch_ms(run.start_time),
        end_time=None if run.end_time is None else epoch_ms(run.end_time),
        artifact_uri=run.artifact_uri,
        lifecycle_stage=run.lifecycle,
    )


class WireMetric(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A point in MLflow's JSON; NaN and the infinities are strings, and empty fields are left out."""

    key: str
    value: float | str
    timestamp: int
    step: int
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""
    run_id: str = ""


def value_as_wire(value: float) -> float | str:
    """Return the value in JSON: the stores keep an infinity as the largest finite number, of which it is made again."""
    if -INFINITE < value < INFINITE:
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def points_as_wire(points: Iterable[MetricPoint]) -> list[WireMetric]:
    """Return the points for the wire. A page of runs has thousands, so the usual point takes a shorter path."""
    return [
        _point_as_wire(point)
        if not -INFINITE < point.value < INFINITE or point.model_id or point.run_id
        else WireMetric(point.key, point.value, point.timestamp_ms, point.step)
        for point in points
    ]


def _point_as_wire(point: MetricPoint) -> WireMetric:
    return WireMetric(
        point.key,
        value_as_wire(point.value),
        point.timestamp_ms,
        point.step,
        model_id=point.model_id,
        dataset_name=point.dataset_name,
        dataset_digest=point.dataset_digest,
        run_id=point.run_id,
    )


class WireData(msgspec.Struct, frozen=True, omit_defaults=True):
    metrics: list[WireMetric] = []
    params: list[Pair] = []
    tags: list[Pair] = []


class WireRun(msgspec.Struct, frozen=True):
    info: WireInfo
    data: WireData
    inputs: dict[str, Any]
    outputs: dict[str, Any]


def as_wire(run: Run) -> WireRun:
    inputs, outputs = {}, {}
    if run.inputs or run.model_inputs or run.model_outputs:
        inputs = non_empty(
            dataset_inputs=[_input_as_wire(dataset) for dataset in run.inputs],
            model_inputs=[{"model_id": model_id} for model_id in run.model_inputs],
        )
        outputs = non_empty(
            model_outputs=[
                {"model_id": model_output.model_id, "step": model_output.step} for model_output in run.model_outputs
            ]
        )
    data = WireData(points_as_wire(run.metrics), pairs(run.params), pairs(run.tags))
    return WireRun(info_as_wire(run), data, inputs, outputs)


def _input_as_wire(dataset: DatasetInput) -> dict[str, Any]:
    body = {name: getattr(dataset, name) for name in ("name", "digest", "source_type", "source")}
    body |= non_empty(schema=dataset.schema, profile=dataset.profile)
    return non_empty(tags=pairs(dataset.tags), dataset=body)


async def create(request: Request) -> Any:
    fields = request.fields
    experiment_id = fields.text("experiment_id") or "0"
    name, tags, user, start = (
        fields.text("run_name"),
        fields.pairs("tags"),
        fields.text("user_id"),
        fields.time("start_time"),
    )
    if request.caller.attempt:
        tags[task_scope.ATTEMPT_TAG] = request.caller.attempt
    requested_id = request.header(ID_HEADER, None)
    run = await request.write(
        lambda tx: tracking.create_run(
            tx, experiment_id, name=name, tags=tags, user=user, start_time=start, run_id=requested_id
        )
    )
    if run.experiment_id != experiment_id:
        raise Conflict("run", run.run_id, "is in another experiment")
    return {"run": as_wire(run)}


def _run_id(fields: Fields) -> str:
    return fields.required("run_id", also="run_uuid")


async def get(request: Request) -> Any:
    run_id = _run_id(request.fields)
    return {"run": as_wire(await request.read(lambda tx: tracking.get_run(tx, run_id)))}


async def update(request: Request) -> Any:
    fields = request.fields
    run_id, status = _run_id(fields), fields.raw("status")
    if isinstance(status, int) and 1 <= status <= len(STATUSES):
        status = STATUSES[status - 1]
    if status is not None and status not in STATUSES:
        raise fields.invalid("status", status, f"one of {', '.join(STATUSES)}")
    end, name = fields.time("end_time"), fields.text("run_name") or None
    run = await request.write(lambda tx: tracking.update_run(tx, run_id, status=status, end_time=end, name=name))
    return {"run_info": info_as_wire(run)}


async def delete(request: Request) -> Any:
    run_id = _run_id(request.fields)
    await request.write(lambda tx: tracking.delete_run(tx, run_id))
    return {}


async def restore(request: Request) -> Any:
    run_id = _run_id(request.fields)
    await request.write(lambda tx: tracking.restore_run(tx, run_id))
    return {}


async def search(request: Request) -> Any:
    fields = request.fields
    size = fields.integer("max_results", 1000) or 0
    runs, token = await request.read(
        lambda tx: tracking.search_runs(
            tx,
            fields.texts("experiment_ids"),
            filter=fields.filter(),
            order_by=fields.texts("order_by"),
            max_results=size,
            page_token=fields.text("page_token"),
            view=fields.text("run_view_type") or "ACTIVE_ONLY",
        )
    )
    return non_empty(runs=[as_wire(run) for run in runs], next_page_token=token)


def _point(fields: Fields) -> MetricPoint:
    timestamp = fields.integer("timestamp")
    if timestamp is None:
        missing(fields.label("timestamp"))
    if fields.has("dataset_name") != fields.has("dataset_digest"):
        raise WireError(
            "INVALID_PARAMETER_VALUE", "Both dataset_name and dataset_digest must be provided if one is provided"
        )
    return MetricPoint(
        key=fields.required("key"),
        value=fields.number("value"),
        timestamp_ms=timestamp,
        step=fields.integer("step", 0) or 0,
        model_id=fields.text("model_id"),
        dataset_name=fields.text("dataset_name"),
        dataset_digest=fields.text("dataset_digest"),
    )


async def log_metric(request: Request) -> Any:
    decoded = log_metric_of(request.body)
    if decoded is None:
        fields = request.parse()
        run_id, point = _run_id(fields), _point(fields)
    else:
        run_id, point = decoded.run_id, decoded
    await request.write_bulk(tracking.log_metrics, (run_id, [tracking.checked_point(point)]))
    return {}


async def log_parameter(request: Request) -> Any:
    run_id, key, value = _run_id(request.fields), request.fields.required("key"), request.fields.text("value")
    checked_key("key", "Param key", key)  # `log_batch` would name the field by its position
    await request.write(lambda tx: tracking.log_batch(tx, run_id, params={key: value}))
    return {}


async def set_tag(request: Request) -> Any:
    run_id, key, value = _run_id(request.fields), request.fields.required("key"), request.fields.text("value")
    checked_key("key", "key", key)
    await request.write(lambda tx: tracking.log_batch(tx, run_id, tags={key: value}))
    return {}


async def delete_tag(request: Request) -> Any:
    run_id, key = _run_id(request.fields), request.fields.required("key")
    await request.write(lambda tx: tracking.untag_run(tx, run_id, key))
    return {}


async def log_batch(request: Request) -> Any:
    if len(request.body) > MAX_BATCH_TEXT and len(request.body.decode()) > MAX_BATCH_TEXT:
        raise WireError(
            "INVALID_PARAMETER_VALUE",
            f"Batched logging API requests must be at most {MAX_BATCH_TEXT} bytes,"
            f" got a request of size {len(request.body)}.",
        )
    decoded = log_batch_of(request.body)
    if decoded is None:
        return await _log_anything(request)
    _check_sizes(decoded.metrics, (), ())
    await request.write_bulk(tracking.log_metrics, (decoded.run_id, tracking.checked_points(decoded.metrics)))
    return {}


async def _log_anything(request: Request) -> Any:
    fields = request.parse()
    run_id, metrics = _run_id(fields), fields.objects("metrics")
    params, tags = fields.objects("params"), fields.objects("tags")
    _check_sizes(metrics, params, tags)
    keys = [param.required("key") for param in params]
    if len(set(keys)) != len(keys):
        duplicates = sorted({key for key in keys if keys.count(key) > 1})
        raise WireError(
            "INVALID_PARAMETER_VALUE",
            f"Duplicate parameter keys have been submitted: {duplicates}. Please ensure the request contains only one"
            " param value per param key.",
        )
    points = tracking.checked_points(_point(metric) for metric in metrics)
    for number, key in enumerate(keys):
        checked_key(f"params[{number}].key", "Param key", key)
    param_values, tag_values = fields.pairs("params"), fields.pairs("tags")
    checked_run("run_id", run_id)
    await request.write(lambda tx: tracking.log_batch(tx, run_id, metrics=points, params=param_values, tags=tag_values))
    return {}


def _check_sizes(metrics: Sequence[Any], params: Sequence[Any], tags: Sequence[Any]) -> None:
    total = len(metrics) + len(params) + len(tags)
    limits = (("metrics", 1000, len(metrics)), ("params", 100, len(params)), ("tags", 100, len(tags)))
    for kind, limit, count in (*limits, ("metrics, params, and tags", 1000, total)):
        if count > limit:
            raise WireError(
                "INVALID_PARAMETER_VALUE",
                f"A batch logging request can contain at most {limit} {kind}. Got {count} {kind}. Please split up"
                f" {kind} across multiple requests and try again.",
            )


def _dataset(fields: Fields) -> DatasetInput:
    body = fields.object("dataset")
    values = {name: body.text(name) for name in ("name", "digest", "source_type", "source", "schema", "profile")}
    return DatasetInput(tags=fields.pairs("tags"), **values)


async def log_inputs(request: Request) -> Any:
    run_id, datasets = _run_id(request.fields), request.fields.list_of("datasets", _dataset)
    models = [model.required("model_id") for model in request.fields.objects("models")]
    await request.write(lambda tx: tracking.log_inputs(tx, run_id, datasets=datasets, model_ids=models))
    return {}


async def log_outputs(request: Request) -> Any:
    run_id = _run_id(request.fields)
    models = [
        ModelOutput(model_id=model.required("model_id"), step=model.integer("step", 0) or 0)
        for model in request.fields.objects("models")
    ]
    await request.write(lambda tx: tracking.log_outputs(tx, run_id, models))
    return {}


async def log_model(request: Request) -> Any:
    """Record a logged model in a tag of the run, as clients before MLflow 3 do."""
    run_id, text = _run_id(request.fields), request.fields.required("model_json")
    try:
        document = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        raise WireError("INVALID_PARAMETER_VALUE", "Malformed model info: model_json is not a valid JSON.") from None
    missing = sorted({"artifact_path", "flavors", "utc_time_created", "run_id"} - set(document or ()))
    if not isinstance(document, dict) or missing:
        raise WireError("INVALID_PARAMETER_VALUE", f"Model json is missing mandatory fields: {missing}")
    await request.write(lambda tx: tracking.record_model(tx, run_id, document))
    return {}
