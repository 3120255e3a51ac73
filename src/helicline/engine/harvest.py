"""The harvest: labelled production rows become the next version of the dataset that the pipeline reads."""

from __future__ import annotations

from pathlib import Path

from helicline.errors import Conflict, Invalid, NotFound
from helicline.records.dataset import DatasetVersion, FileEntry
from helicline.records.pipeline import Completion, Order
from helicline.sdk.client import Client

TRIES = 5


def run_harvest(order: Order, client: Client, scratch: Path) -> Completion:
    """Commit the rows on top of what the ref points to now, and name the version in the report.

    Raises:
        Invalid: no labelled rows came in since the last harvest.
    """
    asked = order.harvest
    assert asked is not None
    response = client.send(
        "GET", f"/deployments/{asked.deployment}/labelled", label=asked.label, since_ms=asked.since_ms, timeout_s=600
    )
    count = int(response.headers["X-Row-Count"])
    if not count:
        raise Invalid("labelled rows", 0, "at least one since the last harvest", "Send labels to /v1/feedback.")
    path = scratch / "rows.parquet"
    path.write_bytes(response.content)
    kept = client.put_blob(path)
    print(f"{count} labelled rows from {asked.deployment}", flush=True)
    version = _commit(order, client, FileEntry(_name(asked.turn), kept.size, kept.hash))
    return Completion(fence=order.fence, ok=True, result={"dataset_version": version.ref, "row_count": count})


def _name(turn: str) -> str:
    """Return a path that sorts after those of earlier turns, so that newer rows come later in the table."""
    number = turn.rpartition("~")[2]
    return f"production/turn-{int(number):06d}.parquet"


def _commit(order: Order, client: Client, added: FileEntry) -> DatasetVersion:
    """Commit by compare-and-swap; when somebody else committed first, add to theirs."""
    asked = order.harvest
    assert asked is not None
    for attempt in range(TRIES):
        try:
            head = client.get(f"/datasets/{asked.dataset}/versions/{asked.ref}", DatasetVersion)
            files = client.items(f"/datasets/{asked.dataset}/versions/{head.id}/files", FileEntry)
        except NotFound:
            head, files = None, []
        try:
            return client.commit_entries(
                asked.dataset,
                [*(file for file in files if file.path != added.path), added],
                ref=asked.ref,
                message=asked.message,
                expected=head.id if head else "",
                turn=asked.turn,
            )
        except Conflict:
            if attempt == TRIES - 1:
                raise
    raise Conflict("ref", f"{asked.dataset}@{asked.ref}", "kept moving")
