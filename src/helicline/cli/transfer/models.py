"""Logged models; then registered models and prompts with their versions, aliases and tags."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from helicline.cli.transfer.artifacts import FileOwner, copy_files
from helicline.cli.transfer.job import SOURCE_TAG, Job, batches
from helicline.cli.transfer.runs import history
from helicline.cli.transfer.tracker import ID_HEADER, Tracker
from helicline.errors import NotFound

PROMPT = "tags.`mlflow.prompt.is_prompt` = 'true'"


def models_of(server: Tracker, experiment_id: str) -> Iterator[dict[str, Any]]:
    yield from server.pages("/logged-models/search", "models", {"experiment_ids": [experiment_id], "max_results": 50})


def copy_model(job: Job, model: dict[str, Any]) -> None:
    info, data = model["info"], model.get("data", {})
    model_id = info["model_id"]
    with job.reporting_errors("logged model", model_id):
        target = _create(job, info, data.get("params", []))["info"]
        target_id = target["model_id"]
        if not job.checkpoint.is_done("model", model_id):
            copy_files(
                job,
                FileOwner("model", model_id, info["artifact_uri"]),
                FileOwner("model", target_id, target["artifact_uri"]),
            )
            _copy_metrics(job, target_id, data.get("metrics", []))
            status = info.get("status", "")
            if status not in ("", "LOGGED_MODEL_PENDING"):
                wire_status = status if isinstance(status, str) else f"LOGGED_MODEL_{status}"
                job.target.patch(f"/logged-models/{target_id}", {"model_id": target_id, "status": wire_status})
                job.checkpoint.record("model", model_id, target_id, done=True)
    job.step("logged models")


def _create(job: Job, info: dict[str, Any], params: list[dict[str, str]]) -> Any:
    model_id = info["model_id"]
    if (target_id := job.checkpoint.targets.get(("model", model_id))) is not None:
        return job.target.get(f"/logged-models/{target_id}")["model"]
    tags = [tag for tag in info.get("tags", []) if tag["key"] != SOURCE_TAG]
    if not job.target.keeps_ids:
        tags.append({"key": SOURCE_TAG, "value": model_id})
    body = {
        "experiment_id": job.experiments[info["experiment_id"]],
        "name": info.get("name", ""),
        "model_type": info.get("model_type", ""),
        "source_run_id": job.target_of("run", info.get("source_run_id", "")),
        "params": params,
        "tags": tags,
    }
    created = job.target.post("/logged-models", body, **{ID_HEADER: model_id})["model"]
    job.checkpoint.record("model", model_id, created["info"]["model_id"])
    return created


def _copy_metrics(job: Job, target_id: str, metrics: list[dict[str, Any]]) -> None:
    """Log the model's points again through the runs that logged them."""
    by_run: dict[str, list[dict[str, Any]]] = {}
    nan_points = cache(lambda run_id, key: _nan_points(job.source, run_id, key))
    for point in metrics:
        fields = ("key", "value", "timestamp", "step", "dataset_name", "dataset_digest")
        copied = {name: point[name] for name in fields if name in point} | {"model_id": target_id}
        run_id, position = point.get("run_id", ""), (int(point.get("timestamp", 0)), int(point.get("step", 0)))
        # a stock server stores 0 for a NaN of a model; the run's series has the NaN
        if run_id and not point.get("value") and position in nan_points(run_id, point["key"]):
            copied["value"] = "NaN"
        by_run.setdefault(job.target_of("run", run_id), []).append(copied)
    for run_id, points in by_run.items():
        for batch in batches(points, 1000):
            job.target.post("/runs/log-batch", {"run_id": run_id, "metrics": batch})


def _nan_points(server: Tracker, run_id: str, key: str) -> set[tuple[int, int]]:
    """Return (timestamp, step) of the points of a series that have only NaN."""
    values: dict[tuple[int, int], set[str]] = {}
    for point in history(server, run_id, key):
        values.setdefault((point["timestamp"], point["step"]), set()).add(str(point["value"]))
    return {position for position, texts in values.items() if texts == {"NaN"}}


def registered_of(server: Tracker, *, prompts: bool) -> Iterator[dict[str, Any]]:
    """Yield registered models: either prompts, or those that are not prompts."""
    for model in server.get_pages("/registered-models/search", "registered_models", filter=PROMPT if prompts else ""):
        if is_prompt(model) == prompts:
            yield server.get("/registered-models/get", name=model["name"])["registered_model"]


def is_prompt(model: dict[str, Any]) -> bool:
    return any(tag["key"] == "mlflow.prompt.is_prompt" and tag["value"] == "true" for tag in model.get("tags", []))


def versions_of(server: Tracker, name: str, *, prompts: bool) -> list[dict[str, Any]]:
    """Return the versions by number."""
    quote = "'" if "'" not in name else '"'
    condition = f"name = {quote}{name}{quote}" + (f" AND {PROMPT}" if prompts else "")
    versions = [version for version in server.get_pages("/model-versions/search", "model_versions", filter=condition)]
    return sorted(
        (version for version in versions if version["name"] == name), key=lambda version: int(version["version"])
    )


def copy_registry(job: Job) -> None:
    for prompts in (False, True):
        for model in registered_of(job.source, prompts=prompts):
            with job.reporting_errors("prompt" if prompts else "registered model", model["name"]):
                _copy_registered(job, model, prompts=prompts)
            job.step("prompts" if prompts else "registered models")


def _copy_registered(job: Job, model: dict[str, Any], *, prompts: bool) -> None:
    name, tags = model["name"], model.get("tags", [])
    try:
        registered = job.target.get("/registered-models/get", name=name)["registered_model"]
    except NotFound:
        body = {"name": name, "tags": tags, "description": model.get("description", "")}
        registered = job.target.post("/registered-models/create", body)["registered_model"]
    present_tags = {tag["key"]: tag["value"] for tag in registered.get("tags", [])}
    for tag in tags:
        if present_tags.get(tag["key"]) != tag["value"]:
            job.target.post("/registered-models/set-tag", {"name": name, **tag})
    existing_numbers = {int(existing["version"]) for existing in versions_of(job.target, name, prompts=prompts)}
    for version in versions_of(job.source, name, prompts=prompts):
        with job.reporting_errors("model version", f"{name}/{version['version']}"):
            if int(version["version"]) not in existing_numbers:
                _copy_version(job, version)
    alias_numbers = {entry["alias"]: str(entry["version"]) for entry in registered.get("aliases", [])}
    for alias in model.get("aliases", []):
        if alias_numbers.get(alias["alias"]) != str(alias["version"]):
            with job.reporting_errors("alias", f"{name}@{alias['alias']}"):
                job.target.post("/registered-models/alias", {"name": name, **alias})


def _source(job: Job, version: dict[str, Any]) -> str:
    """Return the URI of the version's files at the destination."""
    source = str(version.get("source", ""))
    if match := re.match(r"(runs|models):/+([^/@]+)(.*)", source):
        kind = "run" if match[1] == "runs" else "model"
        return f"{match[1]}:/{job.target_of(kind, match[2])}{match[3]}"
    for endpoint, kind, key in (("/logged-models/", "model", "model_id"), ("/runs/get", "run", "run_id")):
        if not (source_id := version.get(key)):
            continue
        source_uri, target_uri = (
            _uri(job.source, endpoint, source_id),
            _uri(job.target, endpoint, job.target_of(kind, source_id)),
        )
        if source == source_uri or source.startswith(source_uri + "/"):
            return target_uri + source[len(source_uri) :]
    return source


def _model_behind(version: dict[str, Any]) -> str:
    """Return the logged model with the version's files; stock servers have it only in the source.

    With a run as source it is "": a stock server accepts such a source only with the run id.
    """
    if str(version.get("source", "")).startswith("runs:/"):
        return ""
    match = re.fullmatch(r"models:/+(m-[0-9a-f]{32})", str(version.get("source", "")))
    return str(version.get("model_id") or (match[1] if match else ""))


def _uri(server: Tracker, endpoint: str, item_id: str) -> str:
    if endpoint == "/runs/get":
        return str(server.get(endpoint, run_id=item_id)["run"]["info"]["artifact_uri"])
    return str(server.get(endpoint + item_id)["model"]["info"]["artifact_uri"])


def _copy_version(job: Job, version: dict[str, Any]) -> None:
    """Create versions up to the number; numbers that the source has deleted are created and deleted."""
    name, target_number = version["name"], int(version["version"])
    body = {
        "name": name,
        "source": _source(job, version),
        "run_id": job.target_of("run", version.get("run_id", "")),
        "model_id": job.target_of("model", _model_behind(version)),
        "tags": version.get("tags", []),
        "description": version.get("description", ""),
    }
    while True:
        created = job.target.post("/model-versions/create", {key: value for key, value in body.items() if value})
        number = int(created["model_version"]["version"])
        if number >= target_number:
            break
        job.target.delete("/model-versions/delete", {"name": name, "version": str(number)})
    if number > target_number:
        job.target.delete("/model-versions/delete", {"name": name, "version": str(number)})
        job.report("model version", f"{name}/{target_number}", "the destination has used this number already")
        return
    if version.get("current_stage", "None") != "None":
        transition = {"name": name, "version": str(number), "stage": version["current_stage"]}
        job.target.post("/model-versions/transition-stage", transition | {"archive_existing_versions": False})
