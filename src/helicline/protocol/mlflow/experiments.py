"""Experiments on the wire."""

from __future__ import annotations

from typing import Any

from helicline import tracking
from helicline.clock import epoch_ms
from helicline.protocol.mlflow.call import Call, pairs, pruned
from helicline.protocol.mlflow.errors import WireError, missing
from helicline.records.run import Experiment

MAX_EXPERIMENTS = 20


def as_wire(experiment: Experiment) -> dict[str, Any]:
    return pruned(
        experiment_id=experiment.experiment_id,
        name=experiment.name,
        artifact_location=experiment.artifact_location,
        lifecycle_stage=experiment.lifecycle,
        creation_time=epoch_ms(experiment.created_at),
        last_update_time=epoch_ms(experiment.updated_at),
        tags=pairs(experiment.tags),
        workspace="default",
    )


async def create(call: Call) -> Any:
    name, tags = call.fields.required("name"), call.fields.pairs("tags")
    location = call.fields.text("artifact_location")
    experiment = await call.write(
        lambda tx: tracking.create_experiment(tx, name, artifact_location=location, tags=tags)
    )
    return {"experiment_id": experiment.experiment_id}


async def get(call: Call) -> Any:
    experiment_id = call.fields.required("experiment_id")
    return {"experiment": as_wire(await call.read(lambda tx: tracking.get_experiment(tx, experiment_id)))}


async def get_by_name(call: Call) -> Any:
    name = call.fields.required("experiment_name")
    return {"experiment": as_wire(await call.read(lambda tx: tracking.get_experiment_by_name(tx, name)))}


async def search(call: Call) -> Any:
    fields = call.fields
    if not fields.has("max_results"):
        missing("max_results")
    size = fields.integer("max_results") or 0
    experiments, token = await call.read(
        lambda tx: tracking.search_experiments(
            tx,
            filter=fields.filter(),
            order_by=fields.texts("order_by"),
            max_results=size,
            page_token=fields.text("page_token"),
            view=fields.text("view_type") or "ACTIVE_ONLY",
        )
    )
    return pruned(experiments=[as_wire(experiment) for experiment in experiments], next_page_token=token)


async def search_datasets(call: Call) -> Any:
    """Answer which datasets the runs of up to 20 experiments used, and for what."""
    ids = call.fields.texts("experiment_ids")
    if not 0 < len(ids) <= MAX_EXPERIMENTS:
        how = "at least one experiment_id" if not ids else f"at most {MAX_EXPERIMENTS} experiment_ids, got {len(ids)}"
        raise WireError("INVALID_PARAMETER_VALUE", f"SearchDatasets request must specify {how}.")
    uses = await call.read(lambda tx: tracking.dataset_uses(tx, ids))
    names = ("experiment_id", "name", "digest", "context")
    return pruned(dataset_summaries=[pruned(**dict(zip(names, use, strict=True))) for use in uses])


async def delete(call: Call) -> Any:
    experiment_id = call.fields.required("experiment_id")
    await call.write(lambda tx: tracking.delete_experiment(tx, experiment_id))
    return {}


async def restore(call: Call) -> Any:
    experiment_id = call.fields.required("experiment_id")
    await call.write(lambda tx: tracking.restore_experiment(tx, experiment_id))
    return {}


async def update(call: Call) -> Any:
    experiment_id, name = call.fields.required("experiment_id"), call.fields.required("new_name")
    await call.write(lambda tx: tracking.rename_experiment(tx, experiment_id, name))
    return {}


async def set_tag(call: Call) -> Any:
    experiment_id, key = call.fields.required("experiment_id"), call.fields.required("key")
    value = call.fields.text("value")
    await call.write(lambda tx: tracking.tag_experiment(tx, experiment_id, key, value))
    return {}


async def delete_tag(call: Call) -> Any:
    experiment_id, key = call.fields.required("experiment_id"), call.fields.required("key")
    await call.write(lambda tx: tracking.untag_experiment(tx, experiment_id, key))
    return {}
