"""Old events go to compressed files, and the chain of archives and table verifies as one."""

from datetime import timedelta

import msgspec
import pytest
import zstandard

from helicline import bus
from helicline.access import audit_archive
from helicline.access.audit_anchor import make_checkpoint, signing_key
from helicline.clock import FakeClock
from helicline.errors import Invalid
from helicline.loop.context import Context
from helicline.loop.trash import old_events
from helicline.settings import Settings
from helicline.store.database import Store
from helicline.store.migrations import upgrade
from helicline.store.rows import event as rows


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def context(database_url, tmp_path, blobs, clock):
    store = Store(database_url, clock)
    upgrade(store)
    yield Context(store, blobs, Settings(home=str(tmp_path), event_keep="30d"))
    store.close()


def emit(context, count):
    for number in range(count):
        context.store.write(lambda tx, number=number: bus.emit(tx, "moved", "alias", f"churn@{number}"))


def drop(context):
    return old_events.drop(context, lambda unit: context.store.write(unit, actor="helicline"))


def checkpoint(context):
    return context.store.read(lambda tx: make_checkpoint(tx, signing_key(context.settings)))


@pytest.fixture
def archived(context, clock, monkeypatch):
    """Ten old events in files of four at most, and the checkpoints of an anchor."""
    monkeypatch.setattr(old_events, "PER_FILE", 4)
    emit(context, 6)
    checkpoints = [checkpoint(context)]
    emit(context, 4)
    checkpoints.append(checkpoint(context))
    clock.advance(timedelta(days=40).total_seconds())
    emit(context, 2)
    drop(context)
    checkpoints.append(checkpoint(context))
    return checkpoints


def verify(context):
    return context.store.read(lambda tx: audit_archive.verify(tx, context.home))


def check(context, checkpoints):
    return context.store.read(lambda tx: audit_archive.check(tx, checkpoints, context.home))


def files(context):
    return sorted((context.home / audit_archive.FOLDER).iterdir())


def test_archives_and_table_are_one_chain_that_runs_through_its_anchor(context, archived):
    assert [path.name[7:32] for path in files(context)] == [
        "000000000001-000000000004", "000000000005-000000000008", "000000000009-000000000010",
    ]  # fmt: skip
    assert context.store.read(rows.oldest).seq == 11
    assert (verify(context), check(context, archived)) == (15, 15)
    assert context.store.read(lambda tx: audit_archive.verify(tx)) == 15


def test_what_is_archived_later_verifies_with_the_events_that_tell_of_earlier_archives(context, archived, clock):
    clock.advance(timedelta(days=40).total_seconds())
    emit(context, 1)
    drop(context)
    assert context.store.read(rows.oldest).seq == 16
    assert check(context, archived) == verify(context)


def test_a_look_counts_and_changes_nothing(context, clock):
    emit(context, 3)
    clock.advance(timedelta(days=40).total_seconds())
    emit(context, 1)
    [report] = old_events.look(context)
    assert (report.event_count, report.last) == (3, 3)
    assert context.store.read(rows.oldest).seq == 1
    assert [report.event_count for report in drop(context)] == [3]
    assert old_events.look(context) == ()


def test_events_that_a_consumer_has_not_read_stay(context, clock):
    emit(context, 3)
    context.store.write(lambda tx: rows.move_cursor(tx, "slow", 1))
    clock.advance(timedelta(days=40).total_seconds())
    emit(context, 1)
    assert [report.last for report in drop(context)] == [1]


def test_without_the_setting_everything_stays(context, clock):
    emit(context, 3)
    clock.advance(timedelta(days=4000).total_seconds())
    everything = Context(context.store, context.blobs, Settings(home=str(context.home)))
    assert drop(everything) == ()


def spoil(path):
    lines = zstandard.decompress(path.read_bytes()).replace(b"churn@1", b"churn@9")
    path.write_bytes(zstandard.compress(lines))


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (lambda context: files(context)[1].unlink(), "cannot be read"),
        (lambda context: spoil(files(context)[0]), "was changed"),
        (lambda context: context.store.write(lambda tx: rows.remove_until(tx, 11)), "were not archived"),
    ],
)
def test_a_missing_or_changed_archive_and_a_cut_that_nobody_made_are_found(context, archived, act, why):
    act(context)
    with pytest.raises(bus.ChainBreak, match=why):
        verify(context)


def test_a_checkpoint_that_an_archived_event_does_not_have_is_found(context, archived):
    forged = msgspec.structs.replace(archived[0], hash="0" * 64)
    with pytest.raises(bus.ChainBreak, match="signature"):
        check(context, [forged])
    of_another = msgspec.structs.replace(checkpoint(context), seq=archived[0].seq)
    with pytest.raises(bus.ChainBreak):
        check(context, [of_another])


@pytest.mark.parametrize("keep", ["7d", "2GB", "churn=400d", "for ever"])
def test_a_rule_that_would_lose_what_needs_a_person_is_refused(keep):
    with pytest.raises(Invalid):
        _ = Settings(event_keep=keep).event_keep_age
