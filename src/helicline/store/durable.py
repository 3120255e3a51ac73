"""Durable files and names (note 0017): fsync of a file for its bytes, fsync of its folder for its name.

Also rejects network file systems for the database.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from helicline.errors import Invalid

MERGE_LOCK = ".merging"  # in the folder of the tables: locked by who merges files of the prediction log


def sync(path: Path) -> None:
    """Return once the bytes of a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Return once all files and folders below the folder are on the disk, bytes and names."""
    for path in [*folder.rglob("*"), folder]:
        sync(path)


def make_folder(folder: Path, *, mode: int = 0o777) -> None:
    """Create the folder and its missing parents durably."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode, exist_ok=True)
    sync(folder.parent)


def replace(partial: Path, target: Path) -> None:
    """Rename a file whose bytes are already on the disk to `target`, durably."""
    partial.replace(target)
    sync(target.parent)


def write(target: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Write the file atomically and durably: at any time it has either the old or the new content."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    descriptor = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, mode)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    replace(partial, target)


@contextlib.contextmanager
def lock(path: Path, *, is_shared: bool = False) -> Iterator[bool]:
    """Hold the lock of a file. A shared one waits until it is free; of the other, yield whether nobody has it."""
    make_folder(path.parent)
    with path.open("ab") as lock_file:
        try:
            fcntl.flock(lock_file, fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "fuse.sshfs", "lustre"})


def refuse_network(folder: Path) -> None:
    """Raise Invalid where the folder is on a network file system: SQLite's locks do not work there."""
    mounts = Path("/proc/mounts")
    if not mounts.is_file():
        return
    mount_point, kind = "", ""
    for line in mounts.read_text().splitlines():
        _, point, file_system, *_ = line.split(" ")
        if (str(folder) + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(mount_point):
            mount_point, kind = point, file_system
    if kind in NETWORK_FILE_SYSTEMS:
        raise Invalid(
            "home", str(folder), f"a local file system (this one is {kind})", "Use PostgreSQL or a local folder."
        )
