"""Experiments in the MLflow protocol."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from helicline import tracking
from helicline.clock import epoch_ms
from helicline.protocol.mlflow.errors import WireError, missing
from helicline.protocol.mlflow.request import Request, non_empty, pairs
from helicline.records.run import Experiment

MAX_EXPERIMENTS = 20


def as_wire(experiment: Experiment) -> dict[str, Any]:
    return non_empty(
        experiment_id=experiment.experiment_id,
        name=experiment.name,
        artifact_location=experiment.artifact_location,
        lifecycle_stage=experiment.lifecycle,
        creation_time=epoch_ms(experiment.created_at),
        last_update_time=epoch_ms(experiment.updated_at),
        tags=pairs(experiment.tags),
        workspace="default",
    )


def _absolute(location: str) -> str:
    """Return a relative local path as a path below the folder that this server runs in, as the stock server does."""
    match = re.match(r"(file:)?(?![A-Za-z][\w+.-]*:|/|$)", location)
    if match is None:
        return location
    path = f"{Path.cwd() / location.removeprefix('file:')}"
    return f"file://{path}" if match[1] else path


async def create(request: Request) -> Any:
    name, tags = request.fields.required("name"), request.fields.pairs("tags")
    location = _absolute(request.fields.text("artifact_location"))
    experiment = await request.write(
        lambda tx: tracking.create_experiment(tx, name, artifact_location=location, tags=tags)
    )
    return {"experiment_id": experiment.experiment_id}


async def get(request: Request) -> Any:
    experiment_id = request.fields.required("experiment_id")
    return {"experiment": as_wire(await request.read(lambda tx: tracking.get_experiment(tx, experiment_id)))}


async def get_by_name(request: Request) -> Any:
    name = request.fields.required("experiment_name")
    return {"experiment": as_wire(await request.read(lambda tx: tracking.get_experiment_by_name(tx, name)))}


async def search(request: Request) -> Any:
    fields = request.fields
    if not fields.has("max_results"):
        missing("max_results")
    size = fields.integer("max_results") or 0
    experiments, token = await request.read(
        lambda tx: tracking.search_experiments(
            tx,
            filter=fields.filter(),
            order_by=fields.texts("order_by"),
            max_results=size,
            page_token=fields.text("page_token"),
            view=fields.text("view_type") or "ACTIVE_ONLY",
        )
    )
    return non_empty(experiments=[as_wire(experiment) for experiment in experiments], next_page_token=token)


async def search_datasets(request: Request) -> Any:
    """Answer the datasets that the runs of up to 20 experiments used, with their contexts."""
    ids = request.fields.texts("experiment_ids")
    if not 0 < len(ids) <= MAX_EXPERIMENTS:
        how = "at least one experiment_id" if not ids else f"at most {MAX_EXPERIMENTS} experiment_ids, got {len(ids)}"
        raise WireError("INVALID_PARAMETER_VALUE", f"SearchDatasets request must specify {how}.")
    uses = await request.read(lambda tx: tracking.dataset_uses(tx, ids))
    names = ("experiment_id", "name", "digest", "context")
    return non_empty(dataset_summaries=[non_empty(**dict(zip(names, use, strict=True))) for use in uses])


async def delete(request: Request) -> Any:
    experiment_id = request.fields.required("experiment_id")
    await request.write(lambda tx: tracking.delete_experiment(tx, experiment_id))
    return {}


async def restore(request: Request) -> Any:
    experiment_id = request.fields.required("experiment_id")
    await request.write(lambda tx: tracking.restore_experiment(tx, experiment_id))
    return {}


async def update(request: Request) -> Any:
    experiment_id, name = request.fields.required("experiment_id"), request.fields.required("new_name")
    await request.write(lambda tx: tracking.rename_experiment(tx, experiment_id, name))
    return {}


async def set_tag(request: Request) -> Any:
    experiment_id, key = request.fields.required("experiment_id"), request.fields.required("key")
    value = request.fields.text("value")
    await request.write(lambda tx: tracking.tag_experiment(tx, experiment_id, key, value))
    return {}


async def delete_tag(request: Request) -> Any:
    experiment_id, key = request.fields.required("experiment_id"), request.fields.required("key")
    await request.write(lambda tx: tracking.untag_experiment(tx, experiment_id, key))
    return {}
