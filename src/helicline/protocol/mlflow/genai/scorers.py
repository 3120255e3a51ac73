"""Scorers in the MLflow protocol."""

from __future__ import annotations

from typing import Any

from helicline import evaluation, trace, tracking
from helicline.clock import epoch_ms
from helicline.protocol.mlflow.errors import WireError, missing
from helicline.protocol.mlflow.request import Request, non_empty
from helicline.records.evaluation import ScorerVersion
from helicline.store.unit import Reader


def as_wire(scorer: ScorerVersion) -> dict[str, Any]:
    return {
        "experiment_id": int(scorer.experiment),
        "scorer_name": scorer.name,
        "scorer_version": scorer.number,
        "scorer_id": scorer.scorer_id,
        "serialized_scorer": scorer.serialized,
        "creation_time": epoch_ms(scorer.created_at),
    }


async def register(request: Request) -> Any:
    fields = request.fields
    experiment_id, name, text = (fields.required(field) for field in ("experiment_id", "name", "serialized_scorer"))
    scorer = await request.write(lambda tx: evaluation.register_scorer(tx, experiment_id, name, text))
    wire = as_wire(scorer)
    return {
        "version": wire["scorer_version"],
        "scorer_id": wire["scorer_id"],
        "experiment_id": scorer.experiment,
        "name": scorer.name,
        "serialized_scorer": scorer.serialized,
        "creation_time": wire["creation_time"],
    }


async def newest(request: Request) -> Any:
    """Answer the newest version of each scorer of the named experiments, or of all active ones."""
    fields = request.fields
    experiment_id, requested_ids = fields.text("experiment_id"), fields.texts("experiment_ids")
    if experiment_id and requested_ids:
        raise WireError("INVALID_PARAMETER_VALUE", "Cannot specify both 'experiment_id' and 'experiment_ids'.")

    def view(tx: Reader) -> list[ScorerVersion]:
        if experiment_id:
            return evaluation.newest_scorers(tx, [tracking.get_experiment(tx, experiment_id).experiment_id])
        active, _ = tracking.search_experiments(tx, max_results=50_000)
        active_ids = [experiment.experiment_id for experiment in active]
        return evaluation.newest_scorers(
            tx, [experiment_id for experiment_id in active_ids if not requested_ids or experiment_id in requested_ids]
        )

    return non_empty(scorers=[as_wire(scorer) for scorer in await request.read(view)])


async def versions(request: Request) -> Any:
    experiment_id, name = request.fields.required("experiment_id"), request.fields.required("name")
    scorers = await request.read(lambda tx: evaluation.scorer_versions(tx, experiment_id, name))
    return {"scorers": [as_wire(scorer) for scorer in scorers]}


async def get(request: Request) -> Any:
    experiment_id, name = request.fields.required("experiment_id"), request.fields.required("name")
    number = request.fields.integer("version")
    return {"scorer": as_wire(await request.read(lambda tx: evaluation.get_scorer(tx, experiment_id, name, number)))}


async def delete(request: Request) -> Any:
    experiment_id, name = request.fields.required("experiment_id"), request.fields.required("name")
    number = request.fields.integer("version")
    await request.write(lambda tx: evaluation.delete_scorer(tx, experiment_id, name, number))
    return {}


def _online(scorer: ScorerVersion) -> dict[str, Any]:
    assert scorer.online is not None
    config = {
        "online_scoring_config_id": scorer.online.id,
        "scorer_id": scorer.scorer_id,
        "sample_rate": scorer.online.sample_rate,
        "experiment_id": scorer.experiment,
    }
    return config | non_empty(filter_string=scorer.online.filter)


async def set_online(request: Request) -> Any:
    fields = request.fields
    experiment_id, name = fields.required("experiment_id"), fields.required("name")
    if not fields.has("sample_rate"):
        missing("sample_rate")
    rate, text = fields.number("sample_rate"), fields.text("filter_string")
    await request.read(lambda tx: trace.search_traces(tx, [experiment_id], filter=text, max_results=1))
    scorer = await request.write(
        lambda tx: evaluation.set_online_scoring(tx, experiment_id, name, sample_rate=rate, filter=text)
    )
    return {"config": _online(scorer)}


async def online(request: Request) -> Any:
    """Answer the online scoring of the named scorers; the client's `list_scorers` calls this."""
    ids = request.fields.texts("scorer_ids")
    if not ids:
        missing("scorer_ids")
    return {
        "configs": [_online(scorer) for scorer in await request.read(lambda tx: evaluation.online_scoring(tx, ids))]
    }
