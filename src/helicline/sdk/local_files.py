"""The files of a local folder as entries of a dataset version, with their digests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from helicline.content_hash import file_hash
from helicline.errors import Invalid
from helicline.records.dataset import FileEntry


def local_files(source: Path) -> list[tuple[FileEntry, Path]]:
    """Return the files below a folder (or a single file) as entries, without hidden files and links."""
    if source.is_file():
        return [(FileEntry(source.name, source.stat().st_size, file_hash(source)), source)]
    if not source.is_dir():
        raise Invalid("path", str(source), "a file or a folder that exists")
    return [
        (FileEntry(path.relative_to(source).as_posix(), path.stat().st_size, file_hash(path)), path)
        for path in sorted(_walk(source))
    ]


def _walk(folder: Path) -> Iterable[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not path.is_symlink() and not hidden:
            yield path
