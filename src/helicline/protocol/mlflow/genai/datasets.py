"""Evaluation datasets in the MLflow protocol; tags, schema, profile and records are JSON inside strings."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from helicline import evaluation
from helicline.clock import epoch_ms
from helicline.errors import NotFound
from helicline.protocol.mlflow.fields import Fields, check_texts
from helicline.protocol.mlflow.request import Request, non_empty
from helicline.records.evaluation import EvaluationDataset, EvaluationRecord


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def as_wire(dataset: EvaluationDataset) -> dict[str, Any]:
    return non_empty(
        dataset_id=dataset.id,
        name=dataset.name,
        digest=dataset.digest,
        created_time=epoch_ms(dataset.created_at),
        last_update_time=epoch_ms(dataset.updated_at),
        tags=_text(dataset.tags),
        schema=_text(dataset.schema) if dataset.schema else "",
        profile=_text({"num_records": dataset.record_count}) if dataset.schema else "",
        created_by=dataset.created_by,
        last_updated_by=dataset.updated_by,
        experiment_ids=list(dataset.experiments),
    )


def record_as_wire(record: EvaluationRecord) -> dict[str, Any]:
    source = record.source
    data = source.get("source_data") if isinstance(source.get("source_data"), dict) else {}
    wire = non_empty(
        dataset_record_id=record.id,
        dataset_id=record.dataset,
        expectations=record.expectations,
        source=source,
        source_type=source.get("source_type"),
        source_id=(data or {}).get("trace_id") or (data or {}).get("source_id"),
        created_by=record.created_by,
        last_updated_by=record.updated_by,
    )
    if record.outputs is not None:
        wire["outputs"] = record.outputs
    times = {"created_time": epoch_ms(record.created_at), "last_update_time": epoch_ms(record.updated_at)}
    return wire | {"inputs": record.inputs, "tags": record.tags} | times


def _decoded(fields: Fields, name: str, kind: Any) -> Any:
    """Return the JSON of a string field, as `kind`."""
    text = fields.text(name)
    try:
        value = msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise fields.invalid(name, text[:100], f"JSON: {error}") from None
    check_texts(value, name)
    return value


async def create(request: Request) -> Any:
    fields = request.fields
    name, experiments = fields.required("name"), fields.texts("experiment_ids")
    tags = _decoded(fields, "tags", dict[str, str]) if fields.text("tags") else {}
    dataset = await request.write(lambda tx: evaluation.create_dataset(tx, name, tags=tags, experiments=experiments))
    return {"dataset": as_wire(dataset)}


async def get(request: Request) -> Any:
    dataset = await request.read(lambda tx: evaluation.get_dataset(tx, request.parts["dataset_id"]))
    return {"dataset": as_wire(dataset)}


async def delete(request: Request) -> Any:
    await request.write(lambda tx: evaluation.delete_dataset(tx, request.parts["dataset_id"]))
    return {}


async def search(request: Request) -> Any:
    fields = request.fields
    size = fields.integer("max_results") or 1000
    datasets, token = await request.read(
        lambda tx: evaluation.search_datasets(
            tx,
            fields.texts("experiment_ids"),
            filter=fields.filter("filter_string"),
            order_by=fields.texts("order_by"),
            max_results=size,
            page_token=fields.text("page_token"),
        )
    )
    return non_empty(datasets=[as_wire(dataset) for dataset in datasets], next_page_token=token)


async def set_tags(request: Request) -> Any:
    request.fields.required("tags")
    tags = _decoded(request.fields, "tags", dict[str, str | None])
    await request.write(lambda tx: evaluation.tag_dataset(tx, request.parts["dataset_id"], tags))
    return {}


async def delete_tag(request: Request) -> Any:
    """Delete the tag; no error where the tag or the dataset does not exist, as on the stock server."""
    dataset_id, key = request.parts["dataset_id"], request.parts["key"]
    with contextlib.suppress(NotFound):
        await request.write(lambda tx: evaluation.tag_dataset(tx, dataset_id, {key: None}))
    return {}


async def upsert_records(request: Request) -> Any:
    request.fields.required("records")
    records = _decoded(request.fields, "records", list[dict[str, Any]])
    inserted, updated = await request.write(
        lambda tx: evaluation.upsert_records(tx, request.parts["dataset_id"], records)
    )
    return {"inserted_count": inserted, "updated_count": updated}


async def get_records(request: Request) -> Any:
    size, token = request.fields.integer("max_results") or 1000, request.fields.text("page_token")
    records, next_token = await request.read(
        lambda tx: evaluation.records(tx, request.parts["dataset_id"], max_results=size, page_token=token)
    )
    return non_empty(records=_text([record_as_wire(record) for record in records]), next_page_token=next_token)


async def delete_records(request: Request) -> Any:
    ids = request.fields.texts("dataset_record_ids")
    return {
        "deleted_count": await request.write(lambda tx: evaluation.delete_records(tx, request.parts["dataset_id"], ids))
    }


async def experiment_ids(request: Request) -> Any:
    dataset = await request.read(lambda tx: evaluation.get_dataset(tx, request.parts["dataset_id"]))
    return non_empty(experiment_ids=list(dataset.experiments))


async def add_experiments(request: Request) -> Any:
    ids = request.fields.texts("experiment_ids")
    return {
        "dataset": as_wire(
            await request.write(lambda tx: evaluation.link_experiments(tx, request.parts["dataset_id"], add=ids))
        )
    }


async def remove_experiments(request: Request) -> Any:
    ids = request.fields.texts("experiment_ids")
    return {
        "dataset": as_wire(
            await request.write(lambda tx: evaluation.link_experiments(tx, request.parts["dataset_id"], drop=ids))
        )
    }
