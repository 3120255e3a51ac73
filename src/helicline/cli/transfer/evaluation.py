"""Evaluation datasets with their records, and versions of scorers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from helicline.cli.transfer.job import Job, batches
from helicline.cli.transfer.tracker import Tracker
from helicline.errors import Invalid, NotFound

V3 = "/api/3.0/mlflow"
RECORD_FIELDS = ("inputs", "outputs", "expectations", "tags", "source")
RECORD_BATCH = 500


def datasets_of(server: Tracker) -> dict[str, dict[str, Any]]:
    """Return the datasets by name; none for a server without datasets, as before MLflow 3.4."""
    try:
        datasets = list(server.pages("/datasets/search", "datasets", {"max_results": 50}, api=V3))
    except (NotFound, Invalid):
        return {}
    return {dataset["name"]: dataset for dataset in datasets}


def records_of(server: Tracker, dataset_id: str) -> Iterator[dict[str, Any]]:
    token = ""
    while True:
        page = server.get(f"/datasets/{dataset_id}/records", api=V3, max_results=1000, page_token=token)
        yield from msgspec.json.decode(page.get("records") or "[]", type=list[dict[str, Any]])
        token = page.get("next_page_token", "")
        if not token:
            return


def copy_datasets(job: Job) -> None:
    existing = datasets_of(job.target)
    for name, dataset in datasets_of(job.source).items():
        with job.reporting_errors("evaluation dataset", name):
            _copy_dataset(job, dataset, existing.get(name))
        job.step("evaluation sets")


def _copy_dataset(job: Job, dataset: dict[str, Any], copy: dict[str, Any] | None) -> None:
    experiment_ids = [
        job.experiments[experiment_id]
        for experiment_id in dataset.get("experiment_ids", [])
        if experiment_id in job.experiments
    ]
    if copy is None:
        body = {"name": dataset["name"], "experiment_ids": experiment_ids, "tags": dataset.get("tags") or "{}"}
        copy = job.target.post("/datasets/create", body, api=V3)["dataset"]
    # records with equal inputs are merged, so a repeated copy adds nothing
    records = [
        {key: record[key] for key in RECORD_FIELDS if key in record}
        for record in records_of(job.source, dataset["dataset_id"])
    ]
    for batch in batches(records, RECORD_BATCH):
        body = {"records": msgspec.json.encode(batch).decode()}
        job.target.post(f"/datasets/{copy['dataset_id']}/records", body, api=V3)


def scorers_of(server: Tracker, experiment_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return the versions of each scorer of the experiment, oldest first."""
    try:
        newest = server.get("/scorers/list", api=V3, experiment_id=experiment_id).get("scorers", [])
    except (NotFound, Invalid):
        return {}
    by_name = {}
    for scorer in newest:
        name = scorer["scorer_name"]
        versions = server.get("/scorers/versions", api=V3, experiment_id=experiment_id, name=name)["scorers"]
        by_name[name] = sorted(versions, key=lambda version: int(version["scorer_version"]))
    return by_name


def copy_scorers(job: Job, experiment_id: str) -> None:
    target_id = job.experiments[experiment_id]
    existing = scorers_of(job.target, target_id)
    for name, versions in scorers_of(job.source, experiment_id).items():
        with job.reporting_errors("scorer", name):
            for version in versions[len(existing.get(name, ())) :]:
                text = {"name": name, "serialized_scorer": version["serialized_scorer"]}
                job.target.post("/scorers/register", {"experiment_id": target_id, **text}, api=V3)
        job.step("scorers")
