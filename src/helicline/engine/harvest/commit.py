"""The harvest task: commits labelled production rows as a draft of the next version of the pipeline's dataset."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from helicline.engine.harvest.columns import conformed
from helicline.errors import Conflict, Invalid, NotFound
from helicline.monitor import profile, quality
from helicline.records.dataset import Commit, DatasetVersion, FileEntry
from helicline.records.monitor import MonitorSpec
from helicline.records.pipeline import Completion, HarvestSpec, TaskSpec
from helicline.sdk.client import Client
from helicline.sdk.handles import Table

TRIES = 5
LEAST_ROWS = 50  # of fewer rows nobody can tell whether they are like the reference


def run_harvest(task: TaskSpec, client: Client, scratch: Path) -> Completion:
    """Add the rows to the present version of the ref, commit the result as a draft, and return a report with its id.

    Raises:
        Invalid: there are no new labelled rows since the last harvest, or they are broken.
    """
    spec = task.harvest
    assert spec is not None
    path = scratch / "rows.parquet"
    count = _fetch(spec, client, path)
    _check(spec, client, path)
    print(f"{count} labelled rows from {spec.deployment}", flush=True)
    version = _commit(spec, client, path)
    return Completion(fence=task.fence, ok=True, result={"dataset_version": version.ref, "row_count": count})


def _fetch(spec: HarvestSpec, client: Client, path: Path) -> int:
    """Write the rows, say which labelled rows are not among them, and return how many there are."""
    times = {"until_ms": _ms(spec.until.labels_until), "predictions_until_ms": _ms(spec.until.predictions_until)}
    if spec.since is not None:
        times |= {"since_ms": _ms(spec.since.labels_until), "predictions_since_ms": _ms(spec.since.predictions_until)}
    response = client.send("GET", f"/deployments/{spec.deployment}/labelled", label=spec.label, **times, timeout_s=600)
    names = ("X-Row-Count", "X-Left-Out-Rows", "X-Waiting-Rows", "X-Corrected-Rows")
    count, left_out, waiting, corrected = (int(response.headers[name]) for name in names)
    not_taken = {
        f"{left_out} labelled rows came in while the data was broken and are left out": left_out,
        f"{waiting} labelled rows wait for the next harvest: no monitor of the inputs has looked at them yet": waiting,
        f"{corrected} labels came again after their rows were published, which keep the label that they had": corrected,
    }
    for sentence in filter(not_taken.get, not_taken):
        print(sentence, flush=True)
    if not count:
        why = "; ".join(filter(not_taken.get, not_taken)) or "Send labels to /v1/feedback."
        raise Invalid("labelled rows", 0, "at least one since the last harvest", why)
    path.write_bytes(response.content)
    return count


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _check(spec: HarvestSpec, client: Client, path: Path) -> None:
    """Refuse rows that are not what the serving version learned from: no monitor may have looked at them all.

    Raises:
        Invalid: a column is absent, of another type, missing, stuck, or written otherwise; and where the deployment has
            a quality monitor, out of range, as for that.
    """
    rows = Table([path])
    if not spec.reference or rows.row_count < LEAST_ROWS:
        why = "no version serves that says what they should look like" if not spec.reference else "they are too few"
        print(f"the rows are not tested: {why}", flush=True)
        return
    reference = profile.decode(client.fetch_blob(spec.reference, path.with_name("reference")).read_bytes())
    columns = {name: values for name, values in rows.numpy().items() if name != spec.label}
    window = profile.build(columns, profile.centres_of(reference))
    broken = quality.broken(quality.findings(spec.monitor or MonitorSpec(kind="quality"), reference, window))
    if spec.monitor is None:  # inputs that moved are what is to be learned
        broken = [finding for finding in broken if finding.statistic != "out_of_range"]
    if broken:
        findings = "; ".join(f"{finding.column} {finding.statistic}: {finding.detail}" for finding in broken[:5])
        hint = "Mend what sends them, or accept as normal what an alert of quality says of them."
        raise Invalid("labelled rows", findings, "rows like those that the serving version learned from", hint)


def _name(turn: str) -> str:
    """Return a path that sorts after those of earlier turns, so that newer rows come later in the table."""
    number = turn.rpartition("~")[2]
    return f"production/turn-{int(number):06d}.parquet"


def _commit(spec: HarvestSpec, client: Client, path: Path) -> DatasetVersion:
    """Commit by compare-and-swap; after a concurrent commit, add the rows to that version."""
    for attempt in range(TRIES):
        try:
            head = client.get(f"/datasets/{spec.dataset}/versions/{spec.ref}", DatasetVersion)
            files = client.items(f"/datasets/{spec.dataset}/versions/{head.id}/files", FileEntry)
        except NotFound:
            head, files = None, []
        rows = conformed(path, head.columns) if head and head.columns else path
        blob = client.put_blob(rows)
        added = FileEntry(_name(spec.turn), blob.size, blob.hash)
        try:
            return client.commit_entries(
                spec.dataset,
                [*(file for file in files if file.path != added.path), added],
                Commit(
                    ref=spec.ref, message=spec.message, expected=head.id if head else "", turn=spec.turn, draft=True
                ),
            )
        except Conflict:
            if attempt == TRIES - 1:
                raise
    raise Conflict("ref", f"{spec.dataset}@{spec.ref}", "kept moving")
