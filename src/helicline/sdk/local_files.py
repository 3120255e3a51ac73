"""The files of a local folder as entries of a dataset version, with their digests."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from helicline.content_hash import file_hash
from helicline.errors import Invalid
from helicline.records.dataset import FileEntry


def local_files(source: Path) -> list[tuple[FileEntry, Path]]:
    """Return the files below a folder (or a single file) as entries; hidden files and folders stay out.

    A link is followed where it leads to a file below the same folder.

    Raises:
        Invalid: nothing is there, a link leads elsewhere, a name is no text, or something is neither file nor folder.
    """
    if source.is_file():
        return [(FileEntry(_name(source, source.parent), source.stat().st_size, file_hash(source)), source)]
    if not source.is_dir():
        raise Invalid("path", str(source), "a file or a folder that exists")
    return [
        (FileEntry(_name(path, source), path.stat().st_size, file_hash(path)), path) for path in sorted(_walk(source))
    ]


def _walk(folder: Path) -> Iterable[Path]:
    root = folder.resolve()
    for path in folder.rglob("*"):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if path.is_symlink() and not (path.is_file() and path.resolve().is_relative_to(root)):
            target = f"{_shown(path)}, a symlink to {_shown(path.readlink())}"
            raise Invalid("path", target, f"files, and links to files below {folder}", "Copy it there, or remove it.")
        if path.is_file():
            yield path
        elif not path.is_dir():
            raise Invalid("path", _shown(path), "files: this is a pipe, a socket or a device", "Remove it.")


def _name(path: Path, folder: Path) -> str:
    """Return the path below the folder, its name in the version. Raises Invalid where it is not UTF-8."""
    name = path.relative_to(folder).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError:
        raise Invalid("path", _shown(path), "names in UTF-8", "Rename the file.") from None
    return name


def _shown(path: Path) -> str:
    return os.fsencode(path).decode(errors="backslashreplace")
