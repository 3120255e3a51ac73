"""Status, events, tokens, the origin of a prediction and labelled rows over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile

import msgspec
from litestar import Response, get, post

import helicline
from helicline import bus
from helicline.access import audit_anchor, audit_archive
from helicline.loop.monitors import broken_data
from helicline.loop.overview import status
from helicline.loop.walk import why
from helicline.protocol.rest.edge import Edge, Page, checked_limit
from helicline.records.event import Event
from helicline.records.pipeline import HarvestSpan
from helicline.serving.prediction_log import harvest as log_harvest
from helicline.store import nouns
from helicline.store.rows import event as events
from helicline.store.unit import Reader
from helicline.tracking.checks import checked_time


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    ok: bool
    events: int
    broken_at: int = 0
    why: str = ""


@get("/status", sync_to_thread=True)
def get_status(edge: Edge) -> status.Status:
    """Counts for each part of the loop, and what needs a person."""
    return edge.read(lambda tx: status.read(tx, version=helicline.__version__))


@get("/events", sync_to_thread=True)
def list_events(edge: Edge, noun: str = "", id: str = "", before: int = 0, limit: int = 100) -> Page[Event]:
    """Events, newest first."""
    page = edge.read(lambda tx: events.latest(tx, noun=noun, id=id, before=before, limit=checked_limit(limit)))
    return Page(page, str(page[-1].seq) if len(page) == limit else "")


class AnchorBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A page of the checkpoints of an anchor. `with_chain` is for the first: the whole chain is verified as well."""

    checkpoints: list[audit_anchor.Checkpoint]
    with_chain: bool = True


@post("/audit/compare", sync_to_thread=True, status_code=200)
def compare_audit(edge: Edge, data: AnchorBody) -> Audit:
    """Verify the hash chain of all events, archived ones too, and that it runs through checkpoints of an anchor.

    An anchor with many is compared in pages, each with the first checkpoint of all at its begin.
    """
    checkpoints, home = sorted(data.checkpoints, key=lambda checkpoint: checkpoint.seq), edge.context.home

    def view(tx: Reader) -> int:
        if data.with_chain:
            return audit_archive.check(tx, checkpoints, home)
        audit_archive.compare(tx, checkpoints, home)
        return events.head(tx)[0]

    try:
        return Audit(ok=True, events=edge.read(view))
    except bus.ChainBreak as broken:
        return Audit(ok=False, events=0, broken_at=broken.seq, why=broken.why)


@get("/audit", sync_to_thread=True)
def verify_audit(edge: Edge, archives: bool = False) -> Audit:  # noqa: FBT001 (a parameter of the address)
    """Verify the hash chain of all events; with `archives` those too that were archived."""
    home = edge.context.home if archives else None
    try:
        return Audit(ok=True, events=edge.read(lambda tx: audit_archive.verify(tx, home)))
    except bus.ChainBreak as broken:
        return Audit(ok=False, events=0, broken_at=broken.seq, why=broken.why)


@get("/why/{prediction_id:str}", sync_to_thread=True)
def get_why(edge: Edge, prediction_id: str) -> why.Answer:
    """The origin of one prediction: version, run, code, environment, data, gates, people."""
    return why.why(edge.context, prediction_id)


@get("/deployments/{name:str}/labelled", sync_to_thread=True, media_type="application/vnd.apache.parquet")
def get_labelled(
    edge: Edge, name: str, label: str = "label", since_ms: int = 0, until_ms: int | None = None,
    predictions_since_ms: int | None = None, predictions_until_ms: int | None = None,
) -> Response[bytes]:  # fmt: skip
    """Predictions whose label has arrived, as Parquet: the model's inputs and the label.

    The label came in at or after `since_ms`, or the prediction was made at or after `predictions_since_ms`; the label
    before `until_ms`, and the prediction before `predictions_until_ms`. Rows that came in while a monitor found broken
    data are left out; the header `X-Left-Out-Rows` says how many. `X-Waiting-Rows` says how many came later, and
    `X-Corrected-Rows` of how many an earlier harvest has taken an earlier label.
    """
    since = _span("since_ms", since_ms, predictions_since_ms)
    until = None if until_ms is None else _span("until_ms", until_ms, predictions_until_ms)
    edge.read(lambda tx: nouns.DEPLOYMENTS.get(tx, name))
    with NamedTemporaryFile(suffix=".parquet", dir=edge.context.home) as target:
        path = Path(target.name)
        harvest = log_harvest.write(
            edge.context.home,
            name,
            path,
            label=label,
            since=since,
            until=until,
            broken=lambda since, until: edge.read(lambda tx: broken_data.ranges(tx, name, since=since, until=until)),
        )
        body = path.read_bytes() if harvest.rows else b""
    headers = {
        "X-Row-Count": str(harvest.rows),
        "X-Left-Out-Rows": str(harvest.left_out),
        "X-Waiting-Rows": str(harvest.waiting),
        "X-Corrected-Rows": str(harvest.corrected),
    }
    return Response(body, headers=headers)


def _span(field: str, labels_ms: int, predictions_ms: int | None) -> HarvestSpan:
    checked_time(field, labels_ms)
    if predictions_ms is not None:
        checked_time(f"predictions_{field}", predictions_ms)
    moments = (labels_ms, labels_ms if predictions_ms is None else predictions_ms)
    labels_until, predictions_until = (datetime.fromtimestamp(moment / 1000, UTC) for moment in moments)
    return HarvestSpan(labels_until=labels_until, predictions_until=predictions_until)


ROUTES = [
    get_status,
    list_events,
    verify_audit,
    compare_audit,
    get_why,
    get_labelled,
]
