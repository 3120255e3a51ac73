"""Logged models in the MLflow protocol."""

from __future__ import annotations

from typing import Any

import msgspec

from helicline import tracking
from helicline.clock import epoch_ms
from helicline.errors import Conflict
from helicline.protocol.mlflow.errors import WireError
from helicline.protocol.mlflow.fields import Fields
from helicline.protocol.mlflow.request import Request, non_empty, pairs
from helicline.protocol.mlflow.runs import ID_HEADER, points_as_wire
from helicline.records.run import LoggedModel, Sort
from helicline.registry.version import LINKS_TAG
from helicline.tracking.search import MODELS


def as_wire(model: LoggedModel) -> dict[str, Any]:
    info = non_empty(
        model_id=model.model_id,
        experiment_id=model.experiment_id,
        name=model.name,
        creation_timestamp_ms=epoch_ms(model.created_at),
        last_updated_timestamp_ms=epoch_ms(model.updated_at),
        artifact_uri=model.artifact_uri,
        status=model.status,
        tags=pairs(model.tags),
        registrations=_registrations(model),
    ) | {"model_type": model.model_type, "source_run_id": model.source_run_id}
    data = non_empty(params=pairs(model.params), metrics=points_as_wire(model.metrics))
    return {"info": info, "data": data}


def _registrations(model: LoggedModel) -> list[dict[str, Any]]:
    try:
        links = msgspec.json.decode(model.tags.get(LINKS_TAG, "[]"), type=list[dict[str, Any]])
    except msgspec.MsgspecError:
        return []
    return [{"name": str(link.get("name", "")), "version": str(link.get("version", ""))} for link in links]


async def create(request: Request) -> Any:
    fields = request.fields
    experiment_id, name, kind = fields.required("experiment_id"), fields.text("name"), fields.text("model_type")
    run_id, facts = fields.text("source_run_id"), (fields.pairs("params"), fields.pairs("tags"))
    requested_id = request.header(ID_HEADER, None)
    model = await request.write(
        lambda tx: tracking.create_logged_model(
            tx, experiment_id, name=name, model_type=kind, run_id=run_id, facts=facts, model_id=requested_id
        )
    )
    if model.experiment_id != experiment_id:
        raise Conflict("logged model", model.model_id, "is in another experiment")
    return {"model": as_wire(model)}


async def get(request: Request) -> Any:
    return {"model": as_wire(await request.read(lambda tx: tracking.get_logged_model(tx, request.parts["model_id"])))}


async def finalize(request: Request) -> Any:
    model_id, status = request.parts["model_id"], request.fields.required("status")
    return {"model": as_wire(await request.write(lambda tx: tracking.finalize_logged_model(tx, model_id, status)))}


async def delete(request: Request) -> Any:
    await request.write(lambda tx: tracking.delete_logged_model(tx, request.parts["model_id"]))
    return {}


async def set_tags(request: Request) -> Any:
    model_id, tags = request.parts["model_id"], request.fields.pairs("tags")
    await request.write(lambda tx: tracking.tag_logged_model(tx, model_id, tags))
    return {}


async def delete_tag(request: Request) -> Any:
    model_id, key = request.parts["model_id"], request.parts["key"]
    await request.write(lambda tx: tracking.untag_logged_model(tx, model_id, key))
    return {}


async def add_params(request: Request) -> Any:
    model_id, params = request.parts["model_id"], request.fields.pairs("params")
    await request.write(lambda tx: tracking.add_logged_model_params(tx, model_id, params))
    return {}


async def search(request: Request) -> Any:
    fields = request.fields
    experiments, text = fields.texts("experiment_ids"), fields.filter()
    datasets = [(item.required("dataset_name"), item.text("dataset_digest")) for item in fields.objects("datasets")]
    order = [_sort(item) for item in fields.objects("order_by")]
    window = (fields.integer("max_results") or 50, fields.text("page_token"))
    models, token = await request.read(
        lambda tx: tracking.search_logged_models(
            tx, experiments, filter=text, order=order, datasets=datasets, window=window
        )
    )
    return non_empty(models=[as_wire(model) for model in models], next_page_token=token)


def _sort(item: Fields) -> Sort:
    name, ascending = item.required("field_name"), item.flag("ascending", default=True)
    entity, dot, key = name.partition(".")
    if dot and entity in ("metric", "metrics"):
        dataset = (item.text("dataset_name"), item.text("dataset_digest"))
        return Sort(entity="metric", key=key, ascending=ascending, dataset=dataset)
    sortable = MODELS.kinds["attribute"].keys
    if name not in sortable:
        raise WireError("INVALID_PARAMETER_VALUE", f"Invalid order by field name: {name}")
    return Sort(entity="attribute", key=sortable[name][0], ascending=ascending)
