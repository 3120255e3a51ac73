"""Both sides counted after the copy, item by item; what differs is named, and copied again by the next run."""

from __future__ import annotations

from collections import Counter
from typing import Any

from helicline.cli.transfer.artifacts import Place, files
from helicline.cli.transfer.evaluation import datasets_of, records_of, scorers_of
from helicline.cli.transfer.job import SOURCE_TAG, Job
from helicline.cli.transfer.models import models_of, registered_of, versions_of
from helicline.cli.transfer.runs import experiments_of, history, runs_of
from helicline.cli.transfer.traces import spans_of, traces_of
from helicline.cli.transfer.tracker import Tracker
from helicline.errors import NotFound

Facts = Counter[str]
KINDS = (
    "experiments", "deleted experiments", "runs", "deleted runs", "params", "tags", "points", "datasets", "model links",
    "files", "bytes", "logged models", "registered models", "model versions", "prompts", "prompt versions", "aliases",
    "registry tags", "traces", "spans", "assessments", "evaluation datasets", "evaluation records", "scorer versions",
)  # fmt: skip


def verify(job: Job) -> dict[str, tuple[int, int]]:
    """Return for each kind how much of it the source holds and how much of that the destination does."""
    source_facts, target_facts = Facts(), Facts()
    _experiments(job, source_facts, target_facts)
    for experiment_id in job.experiments:
        _runs(job, experiment_id, source_facts, target_facts)
        _models(job, experiment_id, source_facts, target_facts)
        _traces(job, experiment_id, source_facts, target_facts)
        _scorers(job, experiment_id, source_facts, target_facts)
    _datasets(job, source_facts, target_facts)
    for prompts in (False, True):
        for model in registered_of(job.source, prompts=prompts):
            source_model = _registered(job.source, model, prompts=prompts)
            try:
                copy = job.target.get("/registered-models/get", name=model["name"])["registered_model"]
                target_model = _registered(job.target, copy, prompts=prompts)
            except NotFound:
                target_model = Facts()
            _compare(job, "prompt" if prompts else "registered model", model["name"], (source_model, target_model))
            source_facts += source_model
            target_facts += target_model
    return {kind: (source_facts[kind], target_facts[kind]) for kind in KINDS}


def _compare(job: Job, kind: str, name: str, both: tuple[Facts, Facts]) -> None:
    source_facts, target_facts = both
    differing = [
        f"{unit} {source_facts[unit]} at the source, {target_facts[unit]} at the destination"
        for unit in KINDS
        if source_facts[unit] != target_facts[unit]
    ]
    if differing:
        job.report(kind, name, "; ".join(differing))
        job.checkpoint.forget({"logged model": "model"}.get(kind, kind), name)


def _experiments(job: Job, source_facts: Facts, target_facts: Facts) -> None:
    existing = {candidate["name"]: candidate for candidate in experiments_of(job.target)}
    for experiment in experiments_of(job.source):
        copy = existing.get(experiment["name"])
        both = _experiment(experiment), Facts() if copy is None else _experiment(copy)
        _compare(job, "experiment", experiment["name"], both)
        source_facts += both[0]
        target_facts += both[1]


def _experiment(experiment: dict[str, Any]) -> Facts:
    return Facts({"experiments": 1, "deleted experiments": experiment.get("lifecycle_stage") == "deleted"})


def _runs(job: Job, experiment_id: str, source_facts: Facts, target_facts: Facts) -> None:
    targets = {run["info"]["run_id"]: run for run in runs_of(job.target, job.experiments[experiment_id])}
    for run in runs_of(job.source, experiment_id):
        run_id = run["info"]["run_id"]
        copy = targets.get(job.target_of("run", run_id))
        both = _run(job.source, run), Facts() if copy is None else _run(job.target, copy)
        _compare(job, "run", run_id, both)
        source_facts += both[0]
        target_facts += both[1]
        job.step("runs verified")


def _run(server: Tracker, run: dict[str, Any]) -> Facts:
    info, data = run["info"], run.get("data", {})
    inputs, outputs = run.get("inputs", {}), run.get("outputs", {})
    listed = list(files(server, Place("run", info["run_id"], info["artifact_uri"])))
    keys = [metric["key"] for metric in data.get("metrics", [])]
    points = {
        (key, p["step"], p["timestamp"], str(p["value"])) for key in keys for p in history(server, info["run_id"], key)
    }
    return Facts(
        {
            "runs": 1,
            "deleted runs": info.get("lifecycle_stage") == "deleted",
            "params": len(data.get("params", [])),
            "tags": sum(tag["key"] != SOURCE_TAG for tag in data.get("tags", [])),
            "points": len(points),
            "datasets": len(inputs.get("dataset_inputs", [])),
            "model links": len(inputs.get("model_inputs", [])) + len(outputs.get("model_outputs", [])),
            "files": len(listed),
            "bytes": sum(size for _, size in listed),
        }
    )


def _models(job: Job, experiment_id: str, source_facts: Facts, target_facts: Facts) -> None:
    targets = {model["info"]["model_id"]: model for model in models_of(job.target, job.experiments[experiment_id])}
    for model in models_of(job.source, experiment_id):
        model_id = model["info"]["model_id"]
        copy = targets.get(job.target_of("model", model_id))
        both = _model(job.source, model), Facts() if copy is None else _model(job.target, copy)
        _compare(job, "logged model", model_id, both)
        source_facts += both[0]
        target_facts += both[1]


def _model(server: Tracker, model: dict[str, Any]) -> Facts:
    info, data = model["info"], model.get("data", {})
    listed = list(files(server, Place("model", info["model_id"], info["artifact_uri"])))
    tags = sum(tag["key"] != SOURCE_TAG for tag in info.get("tags", []))
    counts = {"logged models": 1, "files": len(listed), "bytes": sum(size for _, size in listed), "tags": tags}
    return Facts(counts | {"params": len(data.get("params", [])), "points": len(data.get("metrics", []))})


def _traces(job: Job, experiment_id: str, source_facts: Facts, target_facts: Facts) -> None:
    targets = {info["trace_id"]: info for info in traces_of(job.target, job.experiments[experiment_id])}
    for info in traces_of(job.source, experiment_id):
        copy = targets.get(info["trace_id"])
        both = _trace(job.source, info), Facts() if copy is None else _trace(job.target, copy)
        _compare(job, "trace", info["trace_id"], both)
        source_facts += both[0]
        target_facts += both[1]


def _trace(server: Tracker, info: dict[str, Any]) -> Facts:
    spans = len(spans_of(server, info))
    return Facts({"traces": 1, "spans": spans, "assessments": len(info.get("assessments", []))})


def _scorers(job: Job, experiment_id: str, source_facts: Facts, target_facts: Facts) -> None:
    existing = scorers_of(job.target, job.experiments[experiment_id])
    for name, versions in scorers_of(job.source, experiment_id).items():
        both = Facts({"scorer versions": len(versions)}), Facts({"scorer versions": len(existing.get(name, ()))})
        _compare(job, "scorer", name, both)
        source_facts += both[0]
        target_facts += both[1]


def _datasets(job: Job, source_facts: Facts, target_facts: Facts) -> None:
    existing = datasets_of(job.target)
    for name, dataset in datasets_of(job.source).items():
        copy = existing.get(name)
        both = _dataset(job.source, dataset), Facts() if copy is None else _dataset(job.target, copy)
        _compare(job, "evaluation dataset", name, both)
        source_facts += both[0]
        target_facts += both[1]


def _dataset(server: Tracker, dataset: dict[str, Any]) -> Facts:
    records = sum(1 for _ in records_of(server, dataset["dataset_id"]))
    return Facts({"evaluation datasets": 1, "evaluation records": records})


def _registered(server: Tracker, model: dict[str, Any], *, prompts: bool) -> Facts:
    versions = versions_of(server, model["name"], prompts=prompts)
    tags = len(model.get("tags", [])) + sum(len(version.get("tags", [])) for version in versions)
    name = "prompt" if prompts else "model"
    counts = {"prompts" if prompts else "registered models": 1, f"{name} versions": len(versions)}
    # a stage has an alias on one side and none on the other
    stages = {version.get("current_stage", "None").lower() for version in versions} & {"staging", "production"}
    aliases = {alias["alias"] for alias in model.get("aliases", [])} | stages
    return Facts(counts | {"aliases": len(aliases), "registry tags": tags})
