"""Comparison of both sides after the copy, item by item; an item that differs is copied again by the next call."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from helicline.cli.transfer.artifacts import FileOwner, files
from helicline.cli.transfer.evaluation import datasets_of, records_of, scorers_of
from helicline.cli.transfer.job import SOURCE_TAG, Job
from helicline.cli.transfer.models import models_of, registered_of, versions_of
from helicline.cli.transfer.runs import experiments_of, history, runs_of
from helicline.cli.transfer.traces import spans_of, traces_of
from helicline.cli.transfer.tracker import Tracker
from helicline.errors import NotFound

Counts = Counter[str]
KINDS = (
    "experiments", "deleted experiments", "runs", "deleted runs", "params", "tags", "points", "datasets", "model links",
    "files", "bytes", "logged models", "registered models", "model versions", "prompts", "prompt versions", "aliases",
    "registry tags", "traces", "spans", "assessments", "evaluation datasets", "evaluation records", "scorer versions",
)  # fmt: skip


class Totals(NamedTuple):
    """The sums over all items, of each side."""

    source: Counts
    target: Counts


def verify(job: Job) -> dict[str, tuple[int, int]]:
    """Return for each kind its number at the source, and at the destination."""
    totals = Totals(Counts(), Counts())
    _experiments(job, totals)
    for experiment_id in job.experiments:
        _runs(job, experiment_id, totals)
        _models(job, experiment_id, totals)
        _traces(job, experiment_id, totals)
        _scorers(job, experiment_id, totals)
    _datasets(job, totals)
    for prompts in (False, True):
        for model in registered_of(job.source, prompts=prompts):
            source_model = _registered(job.source, model, prompts=prompts)
            try:
                copy = job.target.get("/registered-models/get", name=model["name"])["registered_model"]
                target_model = _registered(job.target, copy, prompts=prompts)
            except NotFound:
                target_model = Counts()
            kind = "prompt" if prompts else "registered model"
            _compare(job, totals, kind=kind, name=model["name"], counts=(source_model, target_model))
    return {kind: (totals.source[kind], totals.target[kind]) for kind in KINDS}


def _compare(job: Job, totals: Totals, *, kind: str, name: str, counts: tuple[Counts, Counts]) -> None:
    """Add the counts of one item to the totals, and report the item where its two sides differ."""
    source_counts, target_counts = counts
    totals.source.update(source_counts)
    totals.target.update(target_counts)
    differing = [
        f"{unit} {source_counts[unit]} at the source, {target_counts[unit]} at the destination"
        for unit in KINDS
        if source_counts[unit] != target_counts[unit]
    ]
    if differing:
        job.report(kind, name, "; ".join(differing))
        job.checkpoint.forget({"logged model": "model"}.get(kind, kind), name)


def _experiments(job: Job, totals: Totals) -> None:
    existing = {candidate["name"]: candidate for candidate in experiments_of(job.target)}
    for experiment in experiments_of(job.source):
        copy = existing.get(experiment["name"])
        counts = _experiment(experiment), Counts() if copy is None else _experiment(copy)
        _compare(job, totals, kind="experiment", name=experiment["name"], counts=counts)


def _experiment(experiment: dict[str, Any]) -> Counts:
    return Counts({"experiments": 1, "deleted experiments": experiment.get("lifecycle_stage") == "deleted"})


def _runs(job: Job, experiment_id: str, totals: Totals) -> None:
    targets = {run["info"]["run_id"]: run for run in runs_of(job.target, job.experiments[experiment_id])}
    for run in runs_of(job.source, experiment_id):
        run_id = run["info"]["run_id"]
        copy = targets.get(job.target_of("run", run_id))
        counts = _run(job.source, run), Counts() if copy is None else _run(job.target, copy)
        _compare(job, totals, kind="run", name=run_id, counts=counts)
        job.step("runs verified")


def _run(server: Tracker, run: dict[str, Any]) -> Counts:
    info, data = run["info"], run.get("data", {})
    inputs, outputs = run.get("inputs", {}), run.get("outputs", {})
    file_sizes = list(files(server, FileOwner("run", info["run_id"], info["artifact_uri"])))
    keys = [metric["key"] for metric in data.get("metrics", [])]
    points = {
        (key, p["step"], p["timestamp"], str(p["value"])) for key in keys for p in history(server, info["run_id"], key)
    }
    return Counts(
        {
            "runs": 1,
            "deleted runs": info.get("lifecycle_stage") == "deleted",
            "params": len(data.get("params", [])),
            "tags": sum(tag["key"] != SOURCE_TAG for tag in data.get("tags", [])),
            "points": len(points),
            "datasets": len(inputs.get("dataset_inputs", [])),
            "model links": len(inputs.get("model_inputs", [])) + len(outputs.get("model_outputs", [])),
            "files": len(file_sizes),
            "bytes": sum(size for _, size in file_sizes),
        }
    )


def _models(job: Job, experiment_id: str, totals: Totals) -> None:
    targets = {model["info"]["model_id"]: model for model in models_of(job.target, job.experiments[experiment_id])}
    for model in models_of(job.source, experiment_id):
        model_id = model["info"]["model_id"]
        copy = targets.get(job.target_of("model", model_id))
        counts = _model(job.source, model), Counts() if copy is None else _model(job.target, copy)
        _compare(job, totals, kind="logged model", name=model_id, counts=counts)


def _model(server: Tracker, model: dict[str, Any]) -> Counts:
    info, data = model["info"], model.get("data", {})
    file_sizes = list(files(server, FileOwner("model", info["model_id"], info["artifact_uri"])))
    tags = sum(tag["key"] != SOURCE_TAG for tag in info.get("tags", []))
    counts = {"logged models": 1, "files": len(file_sizes), "bytes": sum(size for _, size in file_sizes), "tags": tags}
    return Counts(counts | {"params": len(data.get("params", [])), "points": len(data.get("metrics", []))})


def _traces(job: Job, experiment_id: str, totals: Totals) -> None:
    targets = {info["trace_id"]: info for info in traces_of(job.target, job.experiments[experiment_id])}
    for info in traces_of(job.source, experiment_id):
        copy = targets.get(info["trace_id"])
        counts = _trace(job.source, info), Counts() if copy is None else _trace(job.target, copy)
        _compare(job, totals, kind="trace", name=info["trace_id"], counts=counts)


def _trace(server: Tracker, info: dict[str, Any]) -> Counts:
    spans = len(spans_of(server, info))
    return Counts({"traces": 1, "spans": spans, "assessments": len(info.get("assessments", []))})


def _scorers(job: Job, experiment_id: str, totals: Totals) -> None:
    existing = scorers_of(job.target, job.experiments[experiment_id])
    for name, versions in scorers_of(job.source, experiment_id).items():
        counts = Counts({"scorer versions": len(versions)}), Counts({"scorer versions": len(existing.get(name, ()))})
        _compare(job, totals, kind="scorer", name=name, counts=counts)


def _datasets(job: Job, totals: Totals) -> None:
    existing = datasets_of(job.target)
    for name, dataset in datasets_of(job.source).items():
        copy = existing.get(name)
        counts = _dataset(job.source, dataset), Counts() if copy is None else _dataset(job.target, copy)
        _compare(job, totals, kind="evaluation dataset", name=name, counts=counts)


def _dataset(server: Tracker, dataset: dict[str, Any]) -> Counts:
    records = sum(1 for _ in records_of(server, dataset["dataset_id"]))
    return Counts({"evaluation datasets": 1, "evaluation records": records})


def _registered(server: Tracker, model: dict[str, Any], *, prompts: bool) -> Counts:
    versions = versions_of(server, model["name"], prompts=prompts)
    tags = len(model.get("tags", [])) + sum(len(version.get("tags", [])) for version in versions)
    name = "prompt" if prompts else "model"
    counts = {"prompts" if prompts else "registered models": 1, f"{name} versions": len(versions)}
    # a stage is an alias on one side and not on the other
    stages = {version.get("current_stage", "None").lower() for version in versions} & {"staging", "production"}
    aliases = {alias["alias"] for alias in model.get("aliases", [])} | stages
    return Counts(counts | {"aliases": len(aliases), "registry tags": tags})
