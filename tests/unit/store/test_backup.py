"""A backup of a live home: what is restored is one moment of it, whole, on either database."""

import io
import tarfile
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from helicline import bus
from helicline.errors import Conflict, Invalid
from helicline.store import backup, durable
from helicline.store.blobs import LocalBlobs
from helicline.store.database import Store
from helicline.store.migrations import HEAD, revision_of
from helicline.store.rows import event as events
from support.wait import wait_for

LABEL = b"a sealed table"


def fill(store, home, number):
    """Add a blob, an event that names it, and return the blob's digest."""
    digest, _ = LocalBlobs(home / "blobs").put([b"blob %d" % number])
    store.write(lambda tx: bus.emit(tx, "added", "blob", digest, number=number))
    return digest


@pytest.fixture
def home(store, tmp_path):
    """A home with twenty blobs, and with files of the prediction log."""
    for number in range(20):
        fill(store, tmp_path / "home", number)
    for name in ("log/predictions-1.open", "tables/predictions/deployment=churn/date=2026-01-01/1.parquet"):
        path = tmp_path / "home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(LABEL)
    (tmp_path / "home" / "secrets.key").write_text("a key")
    return tmp_path / "home"


def written(store, home):
    target = io.BytesIO()
    manifest = backup.write_backup(store, home, target, version="0.1.0")
    target.seek(0)
    return manifest, target


@pytest.fixture
def empty(tmp_path):
    opened = Store(f"sqlite:///{tmp_path}/new/meta.db")
    yield opened
    opened.close()


def rows_of(store):
    def read(tx):
        return {
            table.name: sorted(map(repr, tx.execute(sa.select(table)).fetchall()))
            for table in backup._tables(tx.connection)
        }

    return store.read(read)


def test_what_is_restored_is_what_was_there(store, home, empty, tmp_path):
    manifest, source = written(store, home)
    backup.restore(empty, tmp_path / "new", source)
    assert rows_of(empty) == rows_of(store)
    assert manifest.tables["event"] == 20
    for folder in backup.FOLDERS:
        before = {path.relative_to(home): path.read_bytes() for path in (home / folder).rglob("*") if path.is_file()}
        after = {
            path.relative_to(tmp_path / "new"): path.read_bytes()
            for path in (tmp_path / "new" / folder).rglob("*")
            if path.is_file()
        }
        before.pop(Path("tables", durable.MERGE_LOCK), None)  # the lock that the backup itself took
        assert after == before
    fill(empty, tmp_path / "new", 99)  # the restored home goes on
    assert empty.read(bus.verify) == 21


def test_a_backup_during_writes_is_one_moment_with_all_blobs_that_its_rows_name(store, home, empty, tmp_path):
    ends, counted = threading.Event(), []

    def write_on():
        number = 100
        while not ends.is_set():
            counted.append(fill(store, home, number))
            number += 1

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        wait_for(lambda: len(counted) > 5, "some writes")
        begun = len(counted)
        _, source = written(store, home)
        wait_for(lambda: len(counted) > begun, "a write during the backup")
    finally:
        ends.set()
        writer.join()
    backup.restore(empty, tmp_path / "new", source)
    length = empty.read(bus.verify)
    assert 20 + begun <= length <= 20 + len(counted)
    blobs = LocalBlobs(tmp_path / "new" / "blobs")
    restored = empty.read(lambda tx: events.after(tx, 0, limit=10_000))
    assert [event.id for event in restored if not blobs.has(event.id)] == []


def test_the_keys_are_not_in_a_backup(store, home):
    _, source = written(store, home)
    assert b"a key" not in source.getvalue()


def test_a_home_or_a_database_with_content_is_not_restored_over(store, home, empty, tmp_path):
    _, source = written(store, home)
    with pytest.raises(Conflict, match="files already"):
        backup.restore(empty, home, source)
    with pytest.raises(Conflict, match="tables already"):
        backup.restore(store, tmp_path / "new", source)


@pytest.mark.parametrize("damage", ["cut", "changed", "no tar"])
def test_a_damaged_backup_is_refused(store, home, empty, tmp_path, damage):
    _, source = written(store, home)
    data = source.getvalue()
    broken = {"cut": data[: len(data) // 2], "changed": data.replace(LABEL, LABEL.upper()), "no tar": b"x" * 2048}
    with pytest.raises(Invalid):
        backup.restore(empty, tmp_path / "new", io.BytesIO(broken[damage]))


def test_a_member_that_leads_out_of_the_home_is_refused(store, home, empty, tmp_path):
    manifest, _ = written(store, home)
    target = io.BytesIO()
    writer = backup.BackupWriter(target)
    for name in manifest.tables:
        writer.add(f"database/{name}.msgpack", io.BytesIO(backup._framed([])), len(backup._framed([])))
    writer.add("blobs/../../evil", io.BytesIO(b"evil"), 4)
    tables = dict.fromkeys(manifest.tables, 0)
    writer.close(type(manifest)(version="0", revision=HEAD, made_at=manifest.made_at, blobs="", tables=tables,
                                files=writer.files))  # fmt: skip
    target.seek(0)
    with pytest.raises(Invalid, match="evil"):
        backup.restore(empty, tmp_path / "new", target)
    assert not (tmp_path.parent / "evil").exists()


def test_a_backup_of_sqlite_is_restored_to_postgresql(tmp_path, postgres_database):
    old = Store(f"sqlite:///{tmp_path}/home/meta.db")
    from helicline.store.migrations import upgrade

    upgrade(old)
    for number in range(5):
        fill(old, tmp_path / "home", number)
    _, source = written(old, tmp_path / "home")
    new = Store(postgres_database)
    try:
        with new.engine.begin() as connection:
            connection.execute(sa.text("DROP SCHEMA public CASCADE"))
            connection.execute(sa.text("CREATE SCHEMA public"))
        backup.restore(new, tmp_path / "new", source)
        assert new.read(bus.verify) == 5
        assert new.read(lambda tx: revision_of(tx.connection)) == HEAD
        fill(new, tmp_path / "new", 6)
    finally:
        old.close()
        new.close()


def test_the_members_of_a_backup_are_private(store, home):
    _, source = written(store, home)
    with tarfile.open(fileobj=source) as tar:
        assert {member.mode for member in tar if member.name != backup.MANIFEST} == {0o600}
