"""The harvest task: commits labelled production rows as the next version of the pipeline's dataset."""

from __future__ import annotations

from pathlib import Path

from helicline.errors import Conflict, Invalid, NotFound
from helicline.records.dataset import DatasetVersion, FileEntry
from helicline.records.pipeline import Completion, TaskSpec
from helicline.sdk.client import Client

TRIES = 5


def run_harvest(task: TaskSpec, client: Client, scratch: Path) -> Completion:
    """Add the rows to the present version of the ref, commit the result, and return a report with its id.

    Raises:
        Invalid: there are no new labelled rows since the last harvest.
    """
    spec = task.harvest
    assert spec is not None
    response = client.send(
        "GET", f"/deployments/{spec.deployment}/labelled", label=spec.label, since_ms=spec.since_ms, timeout_s=600
    )
    count = int(response.headers["X-Row-Count"])
    left_out = int(response.headers["X-Left-Out-Rows"])
    if left_out:
        print(f"{left_out} labelled rows came in while the data was broken and are left out", flush=True)
    if not count:
        counted = f"0 ({left_out} came in while the data was broken)" if left_out else 0
        raise Invalid("labelled rows", counted, "at least one since the last harvest", "Send labels to /v1/feedback.")
    path = scratch / "rows.parquet"
    path.write_bytes(response.content)
    blob = client.put_blob(path)
    print(f"{count} labelled rows from {spec.deployment}", flush=True)
    version = _commit(task, client, FileEntry(_name(spec.turn), blob.size, blob.hash))
    return Completion(fence=task.fence, ok=True, result={"dataset_version": version.ref, "row_count": count})


def _name(turn: str) -> str:
    """Return a path that sorts after those of earlier turns, so that newer rows come later in the table."""
    number = turn.rpartition("~")[2]
    return f"production/turn-{int(number):06d}.parquet"


def _commit(task: TaskSpec, client: Client, added: FileEntry) -> DatasetVersion:
    """Commit by compare-and-swap; after a concurrent commit, add the rows to that version."""
    spec = task.harvest
    assert spec is not None
    for attempt in range(TRIES):
        try:
            head = client.get(f"/datasets/{spec.dataset}/versions/{spec.ref}", DatasetVersion)
            files = client.items(f"/datasets/{spec.dataset}/versions/{head.id}/files", FileEntry)
        except NotFound:
            head, files = None, []
        try:
            return client.commit_entries(
                spec.dataset,
                [*(file for file in files if file.path != added.path), added],
                ref=spec.ref,
                message=spec.message,
                expected=head.id if head else "",
                turn=spec.turn,
            )
        except Conflict:
            if attempt == TRIES - 1:
                raise
    raise Conflict("ref", f"{spec.dataset}@{spec.ref}", "kept moving")
