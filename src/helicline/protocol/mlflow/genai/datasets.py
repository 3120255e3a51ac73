"""Evaluation datasets on the wire; tags, schema, profile and records are JSON in strings there."""

from __future__ import annotations

from typing import Any

import msgspec

from helicline import evaluation
from helicline.clock import epoch_ms
from helicline.protocol.mlflow.call import Call, pruned
from helicline.protocol.mlflow.fields import Fields, check_texts
from helicline.records.evaluation import EvaluationDataset, EvaluationRecord


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def as_wire(dataset: EvaluationDataset) -> dict[str, Any]:
    return pruned(
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
    wire = pruned(
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
    """Return the JSON that stands in the string field, as `kind`."""
    text = fields.text(name)
    try:
        value = msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise fields.wrong(name, text[:100], f"JSON: {error}") from None
    check_texts(value, name)
    return value


async def create(call: Call) -> Any:
    fields = call.fields
    name, experiments = fields.required("name"), fields.texts("experiment_ids")
    tags = _decoded(fields, "tags", dict[str, str]) if fields.text("tags") else {}
    dataset = await call.write(lambda tx: evaluation.create_dataset(tx, name, tags=tags, experiments=experiments))
    return {"dataset": as_wire(dataset)}


async def get(call: Call) -> Any:
    dataset = await call.read(lambda tx: evaluation.get_dataset(tx, call.parts["dataset_id"]))
    return {"dataset": as_wire(dataset)}


async def delete(call: Call) -> Any:
    await call.write(lambda tx: evaluation.delete_dataset(tx, call.parts["dataset_id"]))
    return {}


async def search(call: Call) -> Any:
    fields = call.fields
    size = fields.integer("max_results") or 1000
    datasets, token = await call.read(
        lambda tx: evaluation.search_datasets(
            tx,
            fields.texts("experiment_ids"),
            filter=fields.filter("filter_string"),
            order_by=fields.texts("order_by"),
            max_results=size,
            page_token=fields.text("page_token"),
        )
    )
    return pruned(datasets=[as_wire(dataset) for dataset in datasets], next_page_token=token)


async def set_tags(call: Call) -> Any:
    call.fields.required("tags")
    tags = _decoded(call.fields, "tags", dict[str, str | None])
    await call.write(lambda tx: evaluation.tag_dataset(tx, call.parts["dataset_id"], tags))
    return {}


async def delete_tag(call: Call) -> Any:
    dataset_id, key = call.parts["dataset_id"], call.parts["key"]
    await call.write(lambda tx: evaluation.tag_dataset(tx, dataset_id, {key: None}))
    return {}


async def upsert_records(call: Call) -> Any:
    call.fields.required("records")
    records = _decoded(call.fields, "records", list[dict[str, Any]])
    inserted, updated = await call.write(lambda tx: evaluation.upsert_records(tx, call.parts["dataset_id"], records))
    return {"inserted_count": inserted, "updated_count": updated}


async def get_records(call: Call) -> Any:
    size, token = call.fields.integer("max_results") or 1000, call.fields.text("page_token")
    records, following = await call.read(
        lambda tx: evaluation.records(tx, call.parts["dataset_id"], max_results=size, page_token=token)
    )
    return pruned(records=_text([record_as_wire(record) for record in records]), next_page_token=following)


async def delete_records(call: Call) -> Any:
    ids = call.fields.texts("dataset_record_ids")
    return {"deleted_count": await call.write(lambda tx: evaluation.delete_records(tx, call.parts["dataset_id"], ids))}


async def experiment_ids(call: Call) -> Any:
    dataset = await call.read(lambda tx: evaluation.get_dataset(tx, call.parts["dataset_id"]))
    return pruned(experiment_ids=list(dataset.experiments))


async def add_experiments(call: Call) -> Any:
    ids = call.fields.texts("experiment_ids")
    return {
        "dataset": as_wire(await call.write(lambda tx: evaluation.place_dataset(tx, call.parts["dataset_id"], add=ids)))
    }


async def remove_experiments(call: Call) -> Any:
    ids = call.fields.texts("experiment_ids")
    return {
        "dataset": as_wire(
            await call.write(lambda tx: evaluation.place_dataset(tx, call.parts["dataset_id"], drop=ids))
        )
    }
