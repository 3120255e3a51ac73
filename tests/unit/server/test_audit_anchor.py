"""An attacker who has database and home, but not the anchor: what is cut off or rewritten is found."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from helicline import bus
from helicline.access.audit_anchor import Anchor, signed, thinned
from helicline.access.audit_archive import check
from helicline.errors import Invalid
from helicline.loop.overview import needs
from helicline.server.audit_anchor import AuditAnchor, forget_anchor
from helicline.store.rows import event as rows
from support.live_server import make_context, running_server
from support.s3_bucket import bucket, bucket_of


@pytest.fixture
def context(tmp_path):
    return make_context(tmp_path / "home", audit_anchor=str(tmp_path / "elsewhere" / "anchor.jsonl"))


@pytest.fixture
def anchor(context):
    """The anchor after ten events in two looks of the server."""
    task = AuditAnchor(context.store, context.settings)
    for count in (6, 4):
        for number in range(count):
            context.store.write(lambda tx, number=number: bus.emit(tx, "moved", "alias", f"churn@{number}"))
        task.tick()
    return Anchor(context.settings.audit_anchor)


def verify(context, anchor):
    return context.store.read(lambda tx: check(tx, anchor.checkpoints(), context.home))


def cut_short(tx, length):
    """Remove the events after `length`, and mend the head."""
    tx.execute(rows.EVENT.delete().where(rows.EVENT.c.seq > length))
    [last] = rows.after(tx, length - 1, limit=1)
    tx.execute(rows.HEAD.update().values(seq=length, hash=last.hash))


def rewrite(tx, seq):
    """Say something else in one event, and chain it and all that follow anew."""
    events = rows.after(tx, 0)
    previous = ""
    for event in events:
        changed = msgspec.structs.replace(event, actor="somebody else") if event.seq == seq else event
        event = rows.chained(changed, previous)
        previous = event.hash
        tx.execute(
            rows.EVENT.update().where(rows.EVENT.c.seq == event.seq).values(doc=msgspec.json.encode(event).decode())
        )
    tx.execute(rows.HEAD.update().values(hash=previous))


def test_an_untouched_chain_runs_through_its_anchor(context, anchor):
    assert [checkpoint.seq for checkpoint in anchor.checkpoints()] == [6, 10]
    assert verify(context, anchor) == 10


def test_a_quiet_chain_is_not_anchored_again(context, anchor):
    AuditAnchor(context.store, context.settings).tick()
    assert len(anchor.checkpoints()) == 2


def test_a_removed_last_event_with_a_mended_head_is_found_with_the_anchor_only(context, anchor):
    context.store.write(lambda tx: cut_short(tx, 9))
    assert context.store.read(bus.verify) == 9
    with pytest.raises(bus.ChainBreak, match="cut short"):
        verify(context, anchor)


@pytest.mark.parametrize("seq", [1, 6, 10])
def test_a_rewritten_and_rechained_trail_is_found_with_the_anchor_only(context, anchor, seq):
    context.store.write(lambda tx: rewrite(tx, seq))
    assert context.store.read(bus.verify) == 10
    with pytest.raises(bus.ChainBreak, match="rewritten"):
        verify(context, anchor)


def test_a_server_does_not_bless_a_chain_that_left_its_anchor(context, anchor):
    context.store.write(lambda tx: rewrite(tx, 2))
    context.store.write(lambda tx: bus.emit(tx, "moved", "alias", "churn@11"))
    task = AuditAnchor(context.store, context.settings)
    task.tick()
    assert task.stopping.is_set()
    assert len(anchor.checkpoints()) == 2
    assert context.store.read(lambda tx: rows.latest(tx, noun="audit", limit=1))[0].verb == "broken"


def test_a_forged_checkpoint_is_found(context, anchor, tmp_path):
    forged = msgspec.structs.replace(anchor.checkpoints()[0], hash="0" * 64)
    path = tmp_path / "forged.jsonl"
    path.write_bytes(msgspec.json.encode(forged) + b"\n")
    with pytest.raises(bus.ChainBreak, match="signature"):
        verify(context, Anchor(str(path)))


def test_what_is_no_anchor_is_said(tmp_path):
    with pytest.raises(Invalid):
        Anchor(str(tmp_path / "nothing")).checkpoints()
    (tmp_path / "text").write_text("no checkpoint\n")
    with pytest.raises(Invalid):
        Anchor(str(tmp_path / "text")).checkpoints()


def test_the_api_compares(context, anchor):
    checkpoints = [msgspec.to_builtins(checkpoint) for checkpoint in anchor.checkpoints()]
    with running_server(context) as client:
        good = client.post("/api/v1/audit/compare", json={"checkpoints": checkpoints}).json()
        context.store.write(lambda tx: tx.execute(sa.delete(rows.EVENT).where(rows.EVENT.c.seq == 3)))
        bad = client.post("/api/v1/audit/compare", json={"checkpoints": checkpoints}).json()
    assert (good["ok"], bad["ok"], bad["broken_at"]) == (True, False, 4)


def test_an_anchor_that_cannot_be_written_needs_a_person_until_it_can(context, tmp_path):
    """It is told once, and taken back once."""
    (tmp_path / "elsewhere").write_text("no folder")
    task = AuditAnchor(context.store, context.settings)
    context.store.write(lambda tx: bus.emit(tx, "moved", "alias", "a"))
    for _ in range(3):
        task.tick()
    [need] = context.store.read(needs.needs_of)
    assert (need.kind, "has no new checkpoints" in need.sentence) == ("audit", True)
    (tmp_path / "elsewhere").unlink()
    for _ in range(3):
        task.tick()
    assert context.store.read(needs.needs_of) == []
    verbs = [event.verb for event in context.store.read(lambda tx: rows.latest(tx, noun="audit"))]
    assert verbs == ["recovered", "failed"]


def test_a_fault_of_an_anchor_that_is_not_set_any_more_needs_nobody(context):
    context.store.write(lambda tx: bus.emit(tx, "failed", "audit", "anchor", place="x", why="y"))
    forget_anchor(context.store)
    assert context.store.read(needs.needs_of) == []


def test_an_anchor_is_compared_in_pages(context, anchor):
    checkpoints = anchor.checkpoints()
    with running_server(context) as client:
        url = "/api/v1/audit/compare"
        first = client.post(url, json={"checkpoints": msgspec.to_builtins(checkpoints[:1])}).json()
        body = {"checkpoints": msgspec.to_builtins(checkpoints), "with_chain": False}
        second = client.post(url, json=body).json()
    assert (first["ok"], second["ok"]) == (True, True)


def test_an_anchor_is_thinned_to_an_hour_and_a_day(place):
    anchor, now = Anchor(place), datetime(2026, 6, 1, 12, tzinfo=UTC)
    key = Ed25519PrivateKey.generate()
    ages = [400 * 24, 99.9, 99.8, 99.7, 60 * 24, 60 * 24 - 1, 2, 1]
    checkpoints = [
        signed(key, seq, "0" * 64, at=now - timedelta(hours=age))
        for seq, age in enumerate(sorted(ages, reverse=True), start=1)
    ]
    for checkpoint in checkpoints:
        anchor.append(checkpoint)
    remaining = thinned(anchor.checkpoints(), now)
    assert [round((now - checkpoint.at).total_seconds() / 3600, 1) for checkpoint in remaining] == [
        400 * 24, 60 * 24 - 1, 99.7, 2, 1,
    ]  # fmt: skip
    anchor.replace(checkpoints, remaining)
    assert anchor.checkpoints() == remaining


@pytest.fixture(params=["folder", "S3"])
def place(request, tmp_path):
    with bucket_of(request.param, tmp_path) as url:
        yield url


def test_a_bucket_holds_an_anchor_too(context, place):
    settings = msgspec.structs.replace(context.settings, audit_anchor=place)
    for name in ("a", "b"):
        context.store.write(lambda tx, name=name: bus.emit(tx, "moved", "alias", name))
        AuditAnchor(context.store, settings).tick()
    checkpoints = Anchor(place).checkpoints()
    assert [checkpoint.seq for checkpoint in checkpoints] == [1, 2]
    assert context.store.read(lambda tx: check(tx, checkpoints, context.home)) == 2


def test_a_bucket_without_a_checkpoint_verifies_nothing(place):
    with pytest.raises(Invalid, match="a file or bucket with checkpoints"):
        Anchor(place).checkpoints()


def test_a_bucket_that_does_not_answer_stops_nothing(context, caplog):
    with bucket() as url:
        settings = msgspec.structs.replace(context.settings, audit_anchor=url.replace("/home", "-of-nobody/x"))
        context.store.write(lambda tx: bus.emit(tx, "moved", "alias", "a"))
        AuditAnchor(context.store, settings).tick()
    assert "its checkpoints cannot be read" in caplog.text
