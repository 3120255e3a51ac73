"""The files of local paths as entries of a dataset version, with their digests."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from helicline.content_hash import file_hash
from helicline.errors import Invalid
from helicline.records.dataset import FileEntry

LocalFiles = list[tuple[FileEntry, Path]]


def local_files(source: Path) -> LocalFiles:
    """Return the files below a folder (or a single file) as entries; hidden files and folders stay out.

    A link is followed where it leads to a file below the same folder.

    Raises:
        Invalid: nothing is there, a link leads elsewhere, a name is no text, or something is neither file nor folder.
    """
    if source.is_file():
        return [_entry(source, source.parent)]
    if not source.is_dir():
        raise Invalid("path", str(source), "a file or a folder that exists")
    return [_entry(path, source) for path in sorted(_walk(source))]


def files_of(sources: Sequence[str | Path]) -> LocalFiles:
    """Return the files of several paths: files, folders and patterns like `exports/*.csv`.

    A single folder is the root of its files; of several, each keeps its name. What a pattern matches is named from the
    folder before its first wildcard on.

    Raises:
        Invalid: as `local_files`; nothing matches a pattern; or two files would have the same name in the version.
    """
    files: LocalFiles = []
    for source in sources:
        path = Path(source)
        if path.exists() or not glob.has_magic(str(source)):
            root = path.resolve().name if len(sources) > 1 and path.is_dir() else ""
            files += [(_below(root, entry), at) for entry, at in local_files(path)]
        else:
            files += _matching(str(source))
    at: dict[str, Path] = {}
    for entry, path in files:
        if at.setdefault(entry.path, path) != path:
            both = f"{_shown(at[entry.path])} and {_shown(path)}"
            raise Invalid("path", both, f"one file named {entry.path} in a version", "Commit a folder that has both.")
    return list({entry.path: (entry, path) for entry, path in files}.values())


def _matching(pattern: str) -> LocalFiles:
    parts = Path(pattern).parts
    fixed = parts[: next(at for at, part in enumerate(parts) if glob.has_magic(part))]
    folder = Path(*fixed)
    paths = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
    matches = [path for path in paths if path.is_file()]
    if not matches:
        raise Invalid("path", pattern, "a pattern that a file matches", f"See: ls {folder}")
    return [_entry(path, folder) for path in matches]


def _below(root: str, entry: FileEntry) -> FileEntry:
    return FileEntry(f"{root}/{entry.path}", entry.size, entry.hash) if root else entry


def _entry(path: Path, folder: Path) -> tuple[FileEntry, Path]:
    return FileEntry(_name(path, folder), path.stat().st_size, file_hash(path)), path


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
