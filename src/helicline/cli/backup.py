"""`hl backup` and `hl restore`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

import helicline
from helicline import settings as settings_file
from helicline.cli.show import say
from helicline.cli.supervisor import owner_of
from helicline.errors import Conflict, Invalid, NotFound
from helicline.settings import Settings
from helicline.store import backup as backups
from helicline.store import durable
from helicline.store.database import Store


def backup(place: str, *, keys: str = "", with_bucket: bool = False) -> None:
    """Back up database, blobs and prediction log of this folder's home, while everything runs.

    Example: `hl backup /mnt/backups/helicline.tar --keys /mnt/safe/helicline-keys.json`

    Parameters
    ----------
    place
        A file, or an object in a bucket: s3://bucket/path/helicline.tar
    keys
        A file for the keys, which are never in the backup: keep it elsewhere.
    with_bucket
        Copy the blobs too where they are in a bucket; without it the backup only names the bucket.
    """
    settings = settings_file.load()
    home = settings.home_path
    if not home.is_dir():
        raise NotFound("home", str(home), "Start Helicline there first: hl up")
    if "://" not in place:
        _check_replaceable("place", Path(place).expanduser(), backups.is_backup)
    if keys:
        _check_replaceable("keys", Path(keys).expanduser(), _has_keys)
    with _store(settings) as store, _written(place, home) as target:
        manifest = backups.write_backup(
            store, home, target, version=helicline.__version__, blobs=settings.blobs, with_bucket=with_bucket
        )
    backups.note_backup(home, place, manifest.made_at)
    say("{} rows and {} files are in {}", sum(manifest.tables.values()), len(manifest.files), place)
    if manifest.blobs:
        say("the blobs stay in {}: back that up by its own means, or copy them by --with-bucket", manifest.blobs)
    if keys:
        key_texts = {name: (home / name).read_text() for name in backups.KEYS if (home / name).is_file()}
        durable.make_folder(Path(keys).expanduser().parent)
        durable.write(Path(keys).expanduser(), msgspec.json.encode(key_texts), mode=0o600)
        say("the keys are in {}: keep them apart from the backup", keys)
    else:
        say("the keys ({}) are not in it: write them apart with --keys FILE", ", ".join(backups.KEYS))


def restore(place: str, *, keys: str = "") -> None:
    """Restore a backup to this folder's home and database, which must be empty.

    Example: `hl restore helicline.tar --keys helicline-keys.json`, with HELICLINE_HOME set to a new folder

    Parameters
    ----------
    keys
        The file with the keys. Without them stored secrets cannot be opened and must be set again.
    """
    settings = settings_file.load()
    home = settings.home_path
    if owner_of(home):
        raise Conflict("home", str(home), "is in use", "Stop it first: hl down")
    durable.make_folder(home, mode=0o700)
    with _store(settings) as store, _read(place, home) as source:
        manifest = backups.restore(store, home, source)
    for name, text in _keys(keys).items():
        durable.write(home / name, text.encode(), mode=0o600)
    say("restored to {}: the state of {:%Y-%m-%d %H:%M:%S} UTC, {}", home, manifest.made_at, manifest.version)
    if manifest.blobs:
        say("the blobs are in {}: set HELICLINE_BLOBS", manifest.blobs)
    if settings.blobs and not manifest.blobs:
        say("the blobs are in {}: unset HELICLINE_BLOBS, or copy them to {}", home / "blobs", settings.blobs)
    if not keys:
        say("without --keys the secrets of webhooks must be set again, and tokens for gateways be made again")


def _check_replaceable(field: str, path: Path, is_ours: Callable[[Path], bool]) -> None:
    """Raise Invalid where writing would destroy something else than what an earlier backup wrote."""
    if path.is_dir():
        raise Invalid(field, str(path), "a file, not a folder")
    if path.is_file() and path.stat().st_size and not is_ours(path):
        raise Invalid(field, str(path), "a new file, or that of an earlier backup; this one is something else")


def _has_keys(path: Path) -> bool:
    try:
        return _read_keys(path).keys() <= set(backups.KEYS)
    except (OSError, msgspec.MsgspecError):
        return False


def _read_keys(path: Path) -> dict[str, str]:
    return msgspec.json.decode(path.read_bytes(), type=dict[str, str])


def _keys(path: str) -> dict[str, str]:
    if not path:
        return {}
    try:
        keys = _read_keys(Path(path).expanduser())
    except (OSError, msgspec.MsgspecError) as error:
        raise Invalid("keys", path, f"the file that hl backup --keys wrote ({error})") from None
    return {name: text for name, text in keys.items() if name in backups.KEYS}


@contextmanager
def _store(settings: Settings) -> Iterator[Store]:
    store = Store(settings.database_url)
    try:
        yield store
    finally:
        store.close()


def _object(place: str) -> tuple[Any, str]:
    import obstore

    folder, _, name = place.rpartition("/")
    return obstore.store.from_url(folder), name


@contextmanager
def _written(place: str, home: Path) -> Iterator[IO[bytes]]:
    """Give a file to write to; it is at its place, whole, only once everything is written."""
    if "://" in place:
        import obstore

        with tempfile.NamedTemporaryFile(dir=home, prefix=".backup-") as file:
            yield file
            file.flush()
            store, name = _object(place)
            obstore.put(store, name, Path(file.name))
        return
    path = Path(place).expanduser()
    durable.make_folder(path.parent)
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            yield file
        durable.sync(partial)
        durable.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _read(place: str, home: Path) -> Iterator[IO[bytes]]:
    if "://" not in place:
        try:
            file = Path(place).expanduser().open("rb")
        except OSError as error:
            raise NotFound("backup", place, str(error)) from None
        with file:
            yield file
        return
    import obstore

    store, name = _object(place)
    with tempfile.TemporaryFile(dir=home) as spool:
        for piece in obstore.get(store, name).stream():
            spool.write(bytes(piece))
        spool.seek(0)
        yield spool
