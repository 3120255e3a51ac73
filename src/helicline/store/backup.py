"""A backup of a live home: one tar with a snapshot of the database, the blobs and the prediction log (note 0026).

The database comes first: a blob is durable before the row that names it, so the blobs that follow are all that its rows
need. Rows are written without the form of a database, so a backup of SQLite can be restored to PostgreSQL and back.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast

import msgspec
import obstore
import sqlalchemy as sa

from helicline.errors import Conflict, Invalid
from helicline.store import durable
from helicline.store.database import Store
from helicline.store.migrations import revision_of, upgrade
from helicline.store.unit import Reader, Tx

FOLDERS = (
    "blobs",
    "log",
    "tables",
    "logs",
    "audit",
)  # in this order: a segment of the log becomes a table, never the reverse
TABLE_PREFIX = "database/"  # of the members that hold tables, which come first
KEYS = ("secrets.key", "owner.token")
LAST_FILE = "last-backup.json"
MANIFEST = "manifest.json"
REVISION_TABLE = "alembic_version"
ROWS_PER_BLOCK = 500
SPOOL_BYTES = 16 << 20


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds: the count of rows of each table, and the SHA-256 of each file."""

    version: str
    revision: str
    made_at: datetime
    blobs: str
    tables: dict[str, int]
    files: dict[str, str]


class LastBackup(msgspec.Struct, frozen=True, kw_only=True):
    """When a home was backed up last, and to where."""

    at: datetime
    place: str


class BackupWriter:
    """Adds members to a tar, and keeps the hash of each."""

    def __init__(self, file: IO[bytes]) -> None:
        self._tar = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)
        self.files: dict[str, str] = {}

    def add(self, name: str, source: IO[bytes], size: int) -> None:
        """Add the first `size` bytes of a file, which may grow meanwhile."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        reader = _HashingReader(source)
        self._tar.addfile(info, reader)  # type: ignore[arg-type]
        self.files[name] = reader.digest.hexdigest()

    def close(self, manifest: Manifest) -> None:
        """Write the manifest as the last member."""
        body = msgspec.json.encode(manifest)
        info = tarfile.TarInfo(MANIFEST)
        info.size = len(body)
        self._tar.addfile(info, io.BytesIO(body))
        self._tar.close()


class _HashingReader:
    def __init__(self, source: IO[bytes]) -> None:
        self._source, self.digest = source, hashlib.sha256()

    def read(self, size: int) -> bytes:
        piece = self._source.read(size)
        self.digest.update(piece)
        return piece


def write_backup(
    store: Store, home: Path, target: IO[bytes], *, version: str, blobs: str = "", with_bucket: bool = False
) -> Manifest:
    """Write a backup and return its manifest. Reads only: nobody has to stop. The keys are not in it.

    `blobs` is the folder or bucket of the blobs, "" for the home. Those of a bucket are copied `with_bucket` only.
    """
    writer = BackupWriter(target)

    def dump(tx: Reader) -> tuple[str, dict[str, int]]:
        counts = {table.name: _dump_table(tx, table, writer) for table in _tables(tx.connection)}
        return revision_of(tx.connection), counts

    revision, counts = store.read(dump)
    is_bucket = "://" in blobs
    for path in _files(home, FOLDERS[1:] if is_bucket else FOLDERS):  # beside a bucket the home has a cache of it
        try:
            with path.open("rb") as source:
                writer.add(path.relative_to(home).as_posix(), source, path.stat().st_size)
        except FileNotFoundError:
            continue  # a segment that was sealed meanwhile; its table follows
    if with_bucket and is_bucket:
        _add_bucket(writer, blobs)
    elif blobs and not is_bucket:
        _add_blob_folder(writer, Path(blobs))
    manifest = Manifest(
        version=version,
        revision=revision,
        made_at=store.clock.now(),
        blobs=blobs if is_bucket and not with_bucket else "",
        tables=counts,
        files=writer.files,
    )
    writer.close(manifest)
    return manifest


def _add_bucket(writer: BackupWriter, url: str) -> None:
    store = obstore.store.from_url(url)
    for page in obstore.list(store, "blobs"):
        for entry in page:
            # a blob that nobody refers to may be removed meanwhile: it is read before the tar has its name
            with suppress(FileNotFoundError), tempfile.SpooledTemporaryFile(SPOOL_BYTES) as spool:
                for piece in obstore.get(store, entry["path"]).stream():
                    spool.write(bytes(piece))
                size = spool.tell()
                spool.seek(0)
                writer.add(entry["path"], cast("IO[bytes]", spool), size)


def _add_blob_folder(writer: BackupWriter, folder: Path) -> None:
    for path in _files_below(folder):
        name = f"blobs/{path.relative_to(folder).as_posix()}"
        if name in writer.files:
            continue  # in the home as well: it has the name of its content
        with suppress(FileNotFoundError), path.open("rb") as source:
            writer.add(name, source, path.stat().st_size)


def _tables(connection: sa.Connection) -> list[sa.Table]:
    """Return the tables of the database, those that others refer to first."""
    metadata = sa.MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != REVISION_TABLE]


def _dump_table(tx: Reader, table: sa.Table, writer: BackupWriter) -> int:
    """Add the rows of a table as blocks of MessagePack, and return their count."""
    count = 0
    with tempfile.TemporaryFile() as spool:
        spool.write(_framed([str(column.name) for column in table.columns]))
        result = tx.connection.execution_options(yield_per=ROWS_PER_BLOCK).execute(sa.select(table))
        for block in result.partitions():
            spool.write(_framed([list(row) for row in block]))
            count += len(block)
        size = spool.tell()
        spool.seek(0)
        writer.add(f"{TABLE_PREFIX}{table.name}.msgpack", spool, size)
    return count


def _framed(value: Any) -> bytes:
    body = msgspec.msgpack.encode(value)
    return len(body).to_bytes(4, "big") + body


def _unframed(source: IO[bytes]) -> Iterator[Any]:
    while head := source.read(4):
        yield msgspec.msgpack.decode(source.read(int.from_bytes(head, "big")))


def _files(home: Path, folders: Sequence[str]) -> Iterator[Path]:
    for folder in folders:
        # files of the log that are merged meanwhile would be copied twice, or not at all
        is_merged = folder == "tables" and (home / folder).is_dir()
        merge_lock = home / folder / durable.MERGE_LOCK
        with durable.lock(merge_lock, is_shared=True) if is_merged else nullcontext():
            yield from _files_below(home / folder)


def _files_below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
            yield path


def restore(store: Store, home: Path, source: IO[bytes]) -> Manifest:
    """Restore a backup to an empty home and an empty database, and return its manifest.

    Raises:
        Conflict: the home or the database is not empty.
        Invalid: it is no backup, it is damaged, or a newer version of Helicline wrote it.
    """
    _check_empty(store, home)
    try:
        with tarfile.open(fileobj=source, mode="r:") as tar:
            manifest = _read_manifest(tar)
            upgrade(store, to=manifest.revision)
            tables = store.read(lambda tx: _tables(tx.connection))
            store.write(lambda tx: _clear(tx, tables))
            for table in tables:
                if table.name in manifest.tables:
                    _load_table(store, table, _member(tar, f"{TABLE_PREFIX}{table.name}.msgpack", manifest))
            for name in manifest.files:
                if not name.startswith(TABLE_PREFIX):
                    _write_file(home / _checked(name), _member(tar, name, manifest))
    except tarfile.TarError as error:
        raise Invalid("backup", str(error), "a file that hl backup wrote") from None
    if not store.is_sqlite:
        store.write(_set_sequences)
    _check_counts(store, manifest)
    upgrade(store)
    return manifest


def _check_empty(store: Store, home: Path) -> None:
    if store.read(lambda tx: revision_of(tx.connection)):
        hint = "Restore to another home: HELICLINE_HOME=DIR hl restore FILE"
        raise Conflict("database", store.engine.url.render_as_string(), "has tables already", hint)
    full_folders = [folder for folder in FOLDERS if any((home / folder).rglob("*"))]
    if full_folders:
        raise Conflict(
            "home", str(home), f"has files already in {', '.join(full_folders)}", "Restore to an empty home."
        )


def is_backup(path: Path) -> bool:
    """Return whether a file begins as backups do, with a table of the database."""
    try:
        with tarfile.open(path, mode="r:") as tar:
            first = tar.next()
            return first is not None and first.name.startswith(TABLE_PREFIX)
    except (tarfile.TarError, OSError):
        return False


def _read_manifest(tar: tarfile.TarFile) -> Manifest:
    try:
        member = tar.extractfile(MANIFEST)
        assert member is not None
        return msgspec.json.decode(member.read(), type=Manifest)
    except (KeyError, AssertionError, msgspec.MsgspecError):
        raise Invalid("backup", "a file without a manifest", "a whole file that hl backup wrote") from None


def _member(tar: tarfile.TarFile, name: str, manifest: Manifest) -> io.BufferedReader:
    """Return a member whose bytes are those that were backed up. Raises Invalid elsewhere."""
    try:
        member = cast("io.BufferedReader | None", tar.extractfile(name))
    except KeyError:
        member = None
    expected = manifest.files.get(name, "")
    if member is None or hashlib.file_digest(member, "sha256").hexdigest() != expected:
        raise Invalid("backup", name, "a member as it was backed up; this one is missing or damaged")
    member.seek(0)
    return member


def _checked(name: str) -> str:
    parts = name.split("/")
    if parts[0] not in FOLDERS or any(part in ("", ".", "..") for part in parts):
        raise Invalid("backup", name, f"files below {', '.join(FOLDERS)}")
    return name


def _write_file(path: Path, source: IO[bytes]) -> None:
    durable.make_folder(path.parent, mode=0o700)
    with path.open("xb") as file:
        while piece := source.read(1 << 20):
            file.write(piece)
    path.chmod(0o600)
    durable.sync(path)


def _clear(tx: Tx, tables: list[sa.Table]) -> None:
    """Remove the rows that the schema begins with; the backup has them."""
    for table in reversed(tables):
        tx.execute(table.delete())


def _load_table(store: Store, table: sa.Table, source: IO[bytes]) -> None:
    blocks = _unframed(source)
    columns = next(blocks)
    for block in blocks:
        rows = [dict(zip(columns, row, strict=True)) for row in block]
        store.write(lambda tx, rows=rows: tx.execute(table.insert(), rows))  # type: ignore[misc]


def _set_sequences(tx: Tx) -> None:
    """Let each sequence of PostgreSQL go on behind the greatest id that was restored."""
    for table in _tables(tx.connection):
        for column in table.primary_key.columns:
            sequence = tx.execute(sa.select(sa.func.pg_get_serial_sequence(table.name, column.name))).scalar()
            if sequence:
                greatest = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
                tx.execute(sa.select(sa.func.setval(sequence, greatest, False)))


def _check_counts(store: Store, manifest: Manifest) -> None:
    def count(tx: Reader) -> dict[str, int]:
        tables = {table.name: table for table in _tables(tx.connection)}
        return {
            name: tx.execute(sa.select(sa.func.count()).select_from(tables[name])).scalar_one()
            for name in manifest.tables
            if name in tables
        }

    counts = store.read(count)
    for name, expected in manifest.tables.items():
        if counts.get(name) != expected:
            raise Invalid("backup", f"{counts.get(name, 0)} rows of {name}", f"{expected} rows")


def note_backup(home: Path, place: str, at: datetime) -> None:
    """Remember the last backup, for `hl doctor`."""
    durable.write(home / LAST_FILE, msgspec.json.encode(LastBackup(at=at, place=place)))


def last_backup(home: Path) -> LastBackup | None:
    """Return the last backup of a home, or None."""
    try:
        return msgspec.json.decode((home / LAST_FILE).read_bytes(), type=LastBackup)
    except (OSError, msgspec.MsgspecError):
        return None
