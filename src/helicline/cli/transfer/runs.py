"""Experiments and runs: params, tags, whole metric histories, datasets, files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from helicline.cli.transfer.artifacts import FileOwner, copy_files
from helicline.cli.transfer.job import SOURCE_TAG, Job, batches
from helicline.cli.transfer.tracker import ID_HEADER, Tracker
from helicline.errors import NotFound

UNFINISHED = ("RUNNING", "SCHEDULED")
HISTORY_PAGE = 10_000


def experiments_of(server: Tracker) -> list[dict[str, Any]]:
    """Return every experiment, deleted ones too."""
    return list(server.pages("/experiments/search", "experiments", {"max_results": 1000, "view_type": "ALL"}))


def runs_of(server: Tracker, experiment_id: str) -> Iterator[dict[str, Any]]:
    body = {"experiment_ids": [experiment_id], "run_view_type": "ALL", "max_results": 500}
    yield from server.pages("/runs/search", "runs", body)


def copy_experiments(job: Job) -> None:
    """Create missing experiments, by name; deleted ones stay active until the end of the copy."""
    experiments = experiments_of(job.source)
    job.expect("experiments", len(experiments))
    for experiment in experiments:
        name, source_id = experiment["name"], experiment["experiment_id"]
        with job.reporting_errors("experiment", name):
            job.experiments[source_id] = _ensure(job, experiment)
            job.names[source_id] = name
            if experiment.get("lifecycle_stage") == "deleted":
                job.deleted.add(source_id)
        job.step("experiments")


def _ensure(job: Job, experiment: dict[str, Any]) -> str:
    name, tags = experiment["name"], experiment.get("tags", [])
    try:
        existing = job.target.get("/experiments/get-by-name", experiment_name=name)["experiment"]
    except NotFound:
        created = job.target.post("/experiments/create", {"name": name, "tags": tags})
        return str(created["experiment_id"])
    target_id = str(existing["experiment_id"])
    if existing.get("lifecycle_stage") == "deleted":
        job.target.post("/experiments/restore", {"experiment_id": target_id})
    present = {tag["key"]: tag["value"] for tag in existing.get("tags", [])}
    for tag in tags:
        if present.get(tag["key"]) != tag["value"]:
            job.target.post("/experiments/set-experiment-tag", {"experiment_id": target_id, **tag})
    return target_id


def delete_experiments(job: Job) -> None:
    for source_id in job.deleted & set(job.experiments):
        with job.reporting_errors("experiment", job.names[source_id]):
            job.target.post("/experiments/delete", {"experiment_id": job.experiments[source_id]})


def recover(job: Job, target_experiment: str) -> None:
    """Find runs and models that an earlier copy created without a note, at a destination that gives new ids."""
    if job.target.keeps_ids:
        return
    condition = f"tags.`{SOURCE_TAG}` != ''"
    query = {"experiment_ids": [target_experiment], "filter": condition, "max_results": 50}
    for run in job.target.pages("/runs/search", "runs", query | {"run_view_type": "ALL"}):
        _record_recovered(job, "run", target_id=run["info"]["run_id"], tagged=run["data"])
    for model in job.target.pages("/logged-models/search", "models", query):
        _record_recovered(job, "model", target_id=model["info"]["model_id"], tagged=model["info"])


def _record_recovered(job: Job, kind: str, *, target_id: str, tagged: dict[str, Any]) -> None:
    source_id = next(tag["value"] for tag in tagged["tags"] if tag["key"] == SOURCE_TAG)
    if (kind, source_id) not in job.checkpoint.targets:
        job.checkpoint.record(kind, source_id, target_id)


def copy_run(job: Job, run: dict[str, Any]) -> None:
    """Copy the run without its end and its links to models, which may not be copied yet."""
    info, data = run["info"], run.get("data", {})
    run_id = info["run_id"]
    if not job.checkpoint.is_done("run", run_id):
        _copy_logged(job, info, data)
    job.step("runs")


def _copy_logged(job: Job, info: dict[str, Any], data: dict[str, Any]) -> None:
    run_id = info["run_id"]
    with job.reporting_errors("run", run_id):
        target = _create(job, info, data.get("tags", []))
        if target["info"].get("lifecycle_stage") == "deleted":
            job.target.post("/runs/restore", {"run_id": target["info"]["run_id"]})
        target_id, uri = target["info"]["run_id"], target["info"]["artifact_uri"]
        _set_missing_tags(job, data.get("tags", []), target)
        for batch in batches(data.get("params", []), 100):
            job.target.post("/runs/log-batch", {"run_id": target_id, "params": batch})
        for metric in data.get("metrics", []):
            for batch in batches(list(history(job.source, run_id, metric["key"])), 1000):
                job.target.post("/runs/log-batch", {"run_id": target_id, "metrics": batch})
        copy_files(job, FileOwner("run", run_id, info["artifact_uri"]), FileOwner("run", target_id, uri))


def _create(job: Job, info: dict[str, Any], tags: list[dict[str, str]]) -> Any:
    run_id = info["run_id"]
    if (target_id := job.checkpoint.targets.get(("run", run_id))) is not None:
        return job.target.get("/runs/get", run_id=target_id)["run"]
    copied_tags = [tag for tag in tags if tag["key"] != SOURCE_TAG]
    if not job.target.keeps_ids:
        copied_tags.append({"key": SOURCE_TAG, "value": run_id})
    body = {
        "experiment_id": job.experiments[info["experiment_id"]],
        "run_name": info.get("run_name", ""),
        "user_id": info.get("user_id", ""),
        "start_time": info.get("start_time", 0),
        "tags": [_with_target_parent(job, tag) for tag in copied_tags],
    }
    created = job.target.post("/runs/create", body, **{ID_HEADER: run_id})["run"]
    job.checkpoint.record("run", run_id, created["info"]["run_id"])
    return created


def _set_missing_tags(job: Job, tags: list[dict[str, str]], target: dict[str, Any]) -> None:
    """Set the tags that an existing run does not have."""
    present = {tag["key"]: tag.get("value", "") for tag in target.get("data", {}).get("tags", [])}
    copied_tags = [_with_target_parent(job, tag) for tag in tags if tag["key"] not in (SOURCE_TAG, "mlflow.runName")]
    missing = [tag for tag in copied_tags if present.get(tag["key"]) != tag["value"]]
    for batch in batches(missing, 100):
        job.target.post("/runs/log-batch", {"run_id": target["info"]["run_id"], "tags": batch})


def _with_target_parent(job: Job, tag: dict[str, str]) -> dict[str, str]:
    """Return the tag, with the parent's id at the destination where it is known."""
    if tag["key"] in ("mlflow.parentRunId", "mlflow.rootRunId"):
        return {"key": tag["key"], "value": job.target_of("run", tag["value"])}
    return {"key": tag["key"], "value": tag.get("value", "")}


def history(server: Tracker, run_id: str, key: str) -> Iterator[dict[str, Any]]:
    """Yield the points of a series in the form of log-batch."""
    points = server.get_pages(
        "/metrics/get-history", "metrics", run_id=run_id, metric_key=key, max_results=HISTORY_PAGE
    )
    for point in points:
        yield {"key": key, "value": point.get("value", 0.0)} | {
            name: int(point.get(name, 0)) for name in ("timestamp", "step")
        }


def end_run(job: Job, run: dict[str, Any]) -> None:
    """Link the run with its datasets and models, set its status, and note it as done unless it is active."""
    info, run_id = run["info"], run["info"]["run_id"]
    if job.checkpoint.is_done("run", run_id):
        job.step("runs finished")
        return
    with job.reporting_errors("run", run_id):
        target_id = job.checkpoint.targets[("run", run_id)]
        _link(job, run, target_id)
        for tag in run["data"].get("tags", []):
            if (updated := _with_target_parent(job, tag)) != tag:
                job.target.post("/runs/set-tag", {"run_id": target_id, **updated})
        if info.get("status") != "RUNNING" or info.get("end_time"):
            end = {"end_time": info["end_time"]} if info.get("end_time") else {}
            job.target.post("/runs/update", {"run_id": target_id, "status": info["status"], **end})
        if info.get("lifecycle_stage") == "deleted":
            job.target.post("/runs/delete", {"run_id": target_id})
        if info.get("status") not in UNFINISHED:
            job.checkpoint.record("run", run_id, target_id, done=True)
    job.step("runs finished")


def _link(job: Job, run: dict[str, Any], target_id: str) -> None:
    inputs, outputs = run.get("inputs", {}), run.get("outputs", {})
    models = [
        {"model_id": job.target_of("model", model_input["model_id"])} for model_input in inputs.get("model_inputs", [])
    ]
    datasets = inputs.get("dataset_inputs", [])
    if models or datasets:
        job.target.post("/runs/log-inputs", {"run_id": target_id, "datasets": datasets, "models": models})
    model_outputs = [
        {"model_id": job.target_of("model", model_output["model_id"]), "step": int(model_output.get("step", 0))}
        for model_output in outputs.get("model_outputs", [])
    ]
    if model_outputs:
        job.target.post("/runs/outputs", {"run_id": target_id, "models": model_outputs})
