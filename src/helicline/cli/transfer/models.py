"""Logged models, then registered models with their versions, aliases and tags; prompts are registered models too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from helicline.cli.transfer.artifacts import Place, copy_files
from helicline.cli.transfer.job import SOURCE_TAG, Job, parts
from helicline.cli.transfer.runs import history
from helicline.cli.transfer.tracker import ID_HEADER, Tracker
from helicline.errors import NotFound

PROMPT = "tags.`mlflow.prompt.is_prompt` = 'true'"


def models_of(server: Tracker, experiment_id: str) -> Iterator[dict[str, Any]]:
    yield from server.pages("/logged-models/search", "models", {"experiment_ids": [experiment_id], "max_results": 50})


def copy_model(job: Job, model: dict[str, Any]) -> None:
    info, data = model["info"], model.get("data", {})
    model_id = info["model_id"]
    with job.trying("logged model", model_id):
        target = _created(job, info, data.get("params", []))["info"]
        target_id = target["model_id"]
        if not job.checkpoint.is_done("model", model_id):
            copy_files(
                job, Place("model", model_id, info["artifact_uri"]), Place("model", target_id, target["artifact_uri"])
            )
            _copy_metrics(job, target_id, data.get("metrics", []))
            status = info.get("status", "")
            if status not in ("", "LOGGED_MODEL_PENDING"):
                wire = status if isinstance(status, str) else f"LOGGED_MODEL_{status}"
                job.target.patch(f"/logged-models/{target_id}", {"model_id": target_id, "status": wire})
                job.checkpoint.note("model", model_id, target_id, done=True)
    job.step("logged models")


def _created(job: Job, info: dict[str, Any], params: list[dict[str, str]]) -> Any:
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
    job.checkpoint.note("model", model_id, created["info"]["model_id"])
    return created


def _copy_metrics(job: Job, target_id: str, metrics: list[dict[str, Any]]) -> None:
    """Log the model's points again through the runs that measured them."""
    by_run: dict[str, list[dict[str, Any]]] = {}
    places = cache(lambda run_id, key: _nan_places(job.source, run_id, key))
    for point in metrics:
        fields = ("key", "value", "timestamp", "step", "dataset_name", "dataset_digest")
        fresh = {name: point[name] for name in fields if name in point} | {"model_id": target_id}
        run_id, at = point.get("run_id", ""), (int(point.get("timestamp", 0)), int(point.get("step", 0)))
        # a stock server keeps 0 for the NaN that was measured of a model; the run has it as it was
        if run_id and not point.get("value") and at in places(run_id, point["key"]):
            fresh["value"] = "NaN"
        by_run.setdefault(job.target_of("run", run_id), []).append(fresh)
    for run_id, points in by_run.items():
        for some in parts(points, 1000):
            job.target.post("/runs/log-batch", {"run_id": run_id, "metrics": some})


def _nan_places(server: Tracker, run_id: str, key: str) -> set[tuple[int, int]]:
    """Return (timestamp, step) of the points of a series that are NaN and nothing else."""
    values: dict[tuple[int, int], set[str]] = {}
    for point in history(server, run_id, key):
        values.setdefault((point["timestamp"], point["step"]), set()).add(str(point["value"]))
    return {at for at, texts in values.items() if texts == {"NaN"}}


def registered_of(server: Tracker, *, prompts: bool) -> Iterator[dict[str, Any]]:
    """Yield registered models: those that are prompts, or those that are none."""
    for model in server.listed("/registered-models/search", "registered_models", filter=PROMPT if prompts else ""):
        if is_prompt(model) == prompts:
            yield server.get("/registered-models/get", name=model["name"])["registered_model"]


def is_prompt(model: dict[str, Any]) -> bool:
    return any(tag["key"] == "mlflow.prompt.is_prompt" and tag["value"] == "true" for tag in model.get("tags", []))


def versions_of(server: Tracker, name: str, *, prompts: bool) -> list[dict[str, Any]]:
    """Return the versions by number."""
    quote = "'" if "'" not in name else '"'
    condition = f"name = {quote}{name}{quote}" + (f" AND {PROMPT}" if prompts else "")
    versions = [version for version in server.listed("/model-versions/search", "model_versions", filter=condition)]
    return sorted(
        (version for version in versions if version["name"] == name), key=lambda version: int(version["version"])
    )


def copy_registry(job: Job) -> None:
    for prompts in (False, True):
        for model in registered_of(job.source, prompts=prompts):
            with job.trying("prompt" if prompts else "registered model", model["name"]):
                _copy_registered(job, model, prompts=prompts)
            job.step("prompts" if prompts else "registered models")


def _copy_registered(job: Job, model: dict[str, Any], *, prompts: bool) -> None:
    name, tags = model["name"], model.get("tags", [])
    try:
        registered = job.target.get("/registered-models/get", name=name)["registered_model"]
    except NotFound:
        body = {"name": name, "tags": tags, "description": model.get("description", "")}
        registered = job.target.post("/registered-models/create", body)["registered_model"]
    have = {tag["key"]: tag["value"] for tag in registered.get("tags", [])}
    for tag in tags:
        if have.get(tag["key"]) != tag["value"]:
            job.target.post("/registered-models/set-tag", {"name": name, **tag})
    existing_numbers = {int(existing["version"]) for existing in versions_of(job.target, name, prompts=prompts)}
    for version in versions_of(job.source, name, prompts=prompts):
        with job.trying("model version", f"{name}/{version['version']}"):
            if int(version["version"]) not in existing_numbers:
                _copy_version(job, version)
    placed = {entry["alias"]: str(entry["version"]) for entry in registered.get("aliases", [])}
    for alias in model.get("aliases", []):
        if placed.get(alias["alias"]) != str(alias["version"]):
            with job.trying("alias", f"{name}@{alias['alias']}"):
                job.target.post("/registered-models/alias", {"name": name, **alias})


def _source(job: Job, version: dict[str, Any]) -> str:
    """Return where the version's files lie at the destination."""
    source = str(version.get("source", ""))
    if matched := re.match(r"(runs|models):/+([^/@]+)(.*)", source):
        kind = "run" if matched[1] == "runs" else "model"
        return f"{matched[1]}:/{job.target_of(kind, matched[2])}{matched[3]}"
    for place, kind, key in (("/logged-models/", "model", "model_id"), ("/runs/get", "run", "run_id")):
        if not (source_id := version.get(key)):
            continue
        source_uri, target_uri = (
            _uri(job.source, place, source_id),
            _uri(job.target, place, job.target_of(kind, source_id)),
        )
        if source == source_uri or source.startswith(source_uri + "/"):
            return target_uri + source[len(source_uri) :]
    return source


def _model_behind(version: dict[str, Any]) -> str:
    """Return the logged model whose files the version has; stock servers tell it only in the source.

    One whose source is a run is vouched for by the run: a stock server takes no model's word for it.
    """
    if str(version.get("source", "")).startswith("runs:/"):
        return ""
    matched = re.fullmatch(r"models:/+(m-[0-9a-f]{32})", str(version.get("source", "")))
    return str(version.get("model_id") or (matched[1] if matched else ""))


def _uri(server: Tracker, place: str, item_id: str) -> str:
    if place == "/runs/get":
        return str(server.get(place, run_id=item_id)["run"]["info"]["artifact_uri"])
    return str(server.get(place + item_id)["model"]["info"]["artifact_uri"])


def _copy_version(job: Job, version: dict[str, Any]) -> None:
    """Make versions until the number is reached: those that the source deleted are made and deleted again."""
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
        moved = {"name": name, "version": str(number), "stage": version["current_stage"]}
        job.target.post("/model-versions/transition-stage", moved | {"archive_existing_versions": False})
