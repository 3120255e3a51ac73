"""Hashes of files, and the digest of a set of files: what approvals are bound to and a gateway checks before a load."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def content_digest(entries: Iterable[tuple[str, str]]) -> str:
    """Return 32 hex digits: BLAKE3 over the sorted list of (path, hash of the file) as JSON."""
    import msgspec
    from blake3 import blake3

    return blake3(msgspec.json.encode(sorted(entries))).hexdigest()[:32]


def hashed_files(folder: Path) -> list[tuple[str, str]]:
    """Return path and BLAKE3 hash of every file below a folder."""
    return [
        (path.relative_to(folder).as_posix(), file_hash(path)) for path in sorted(folder.rglob("*")) if path.is_file()
    ]


def file_hash(path: Path) -> str:
    """Return the BLAKE3 hash of a file as hex; a large file is hashed on all cores."""
    from blake3 import blake3

    hasher = blake3(max_threads=blake3.AUTO)
    hasher.update_mmap(path)
    return hasher.hexdigest()
