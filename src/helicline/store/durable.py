"""Names that survive a power cut: an fsync of a file keeps its bytes, one of its folder keeps its name.

And the file systems on which nothing can be promised.
"""

from __future__ import annotations

import os
from pathlib import Path

from helicline.errors import Invalid


def sync(path: Path) -> None:
    """Return once the bytes of a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Return once everything below the folder is on the disk, bytes and names."""
    for path in [*folder.rglob("*"), folder]:
        sync(path)


def make_folder(folder: Path, *, mode: int = 0o777) -> None:
    """Make the folder, and what is missing above it, so that none of them is lost."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode, exist_ok=True)
    sync(folder.parent)


def replace(partial: Path, target: Path) -> None:
    """Give a file whose bytes are on the disk already its name, in the place of what had it before."""
    partial.replace(target)
    sync(target.parent)


def write(target: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Put the content in the place of the file, which is either the old or the new one at any time."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    descriptor = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, mode)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    replace(partial, target)


NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "fuse.sshfs", "lustre"})


def refuse_network(folder: Path) -> None:
    """SQLite's locks do not hold on network file systems, and a database there would be lost sooner or later."""
    mounts = Path("/proc/mounts")
    if not mounts.is_file():
        return
    best, kind = "", ""
    for line in mounts.read_text().splitlines():
        _, point, file_system, *_ = line.split(" ")
        if (str(folder) + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best):
            best, kind = point, file_system
    if kind in NETWORK_FILE_SYSTEMS:
        raise Invalid(
            "home", str(folder), f"a local file system (this one is {kind})", "Use PostgreSQL or a local folder."
        )
