"""The artifacts of a run and of its models, and the difference of those of two runs."""

from __future__ import annotations

import difflib
from contextlib import suppress

import msgspec

from helicline.errors import Invalid, NotFound
from helicline.records.model import ArtifactFile
from helicline.records.run import Run
from helicline.store.rows import logged_model as models
from helicline.store.unit import Reader
from helicline.tracking.artifact import Entry, artifact_files, get_artifact, list_artifacts, path_in_store
from helicline.tracking.checks import checked_path
from helicline.tracking.run import get_run

MAX_LINES = 20_000


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """A file that differs between two sides; the size is -1 on a side without the file."""

    path: str
    change: str
    before_size: int
    after_size: int


class FilesDiff(msgspec.Struct, frozen=True, kw_only=True):
    """The files whose content differs, and the number of equal files."""

    changes: list[FileChange]
    same_count: int


def root_of(tx: Reader, run_id: str) -> str:
    """Return the artifact folder of a run. Raises Invalid where its artifacts are in another store."""
    return _root(get_run(tx, run_id))


def _root(run: Run) -> str:
    root = path_in_store(run.artifact_uri)
    if root is None:
        raise Invalid("run", run.run_id, f"a run whose artifacts lie here; these lie at {run.artifact_uri}")
    return root


def list_files(tx: Reader, run_id: str, path: str = "") -> list[Entry]:
    """Return the entries of a folder of the run, folders first; each model of the run is a folder, too."""
    prefix = checked_path("path", path) if path else ""
    entries: dict[str, Entry] = {}
    for folder, root in _roots(tx, run_id):
        if folder and not prefix:
            entries[folder] = Entry(path=folder, is_dir=True)
            continue
        inner = _path_below(folder, prefix)
        if inner is not None:
            entries |= {entry.path: entry for entry in list_artifacts(tx, f"{root}/{inner}" if inner else root)}
    return sorted(entries.values(), key=lambda entry: (not entry.is_dir, entry.path))


def file_of(tx: Reader, run_id: str, path: str) -> ArtifactFile:
    """Return a file of the run or of its models. Raises NotFound where it does not exist."""
    name = checked_path("path", path)
    for folder, root in _roots(tx, run_id):
        inner = _path_below(folder, name)
        if inner:
            with suppress(NotFound):
                return get_artifact(tx, f"{root}/{inner}")
    raise NotFound("artifact", path, f"See what run {run_id} has in its artifact list.")


def diff_runs(tx: Reader, before: str, after: str) -> FilesDiff:
    """Return the difference of the files of two runs and of their models."""
    return diff_files(_files_of(tx, before), _files_of(tx, after))


def _files_of(tx: Reader, run_id: str) -> list[ArtifactFile]:
    return [
        msgspec.structs.replace(file, path=f"{folder}/{file.path}") if folder else file
        for folder, root in _roots(tx, run_id)
        for file in artifact_files(tx, root)
    ]


def _roots(tx: Reader, run_id: str) -> list[tuple[str, str]]:
    """Return (folder, artifact path) of a run: "" for its own files, and a folder for each of its models.

    Of models with the same name the last has the plain name, by which clients load it; others have the step in it.
    """
    run = get_run(tx, run_id)
    roots = {"": _root(run)}
    newest_first = sorted(run.model_outputs, key=lambda output: output.step, reverse=True)
    for output in newest_first:
        model = models.find(tx, output.model_id)
        root = path_in_store(model.artifact_uri) if model is not None else None
        if model is None or root is None or model.lifecycle != "active":
            continue
        names = (model.name, f"{model.name}@{output.step}", f"{model.name}@{output.model_id}")
        roots[next(name for name in names if name not in roots)] = root
    return list(roots.items())


def _path_below(folder: str, path: str) -> str | None:
    """Return the part of the path below the folder, or None where the path is outside of it."""
    if not folder or path == folder:
        return path if not folder else ""
    return path.removeprefix(f"{folder}/") if path.startswith(f"{folder}/") else None


def diff_files(before: list[ArtifactFile], after: list[ArtifactFile]) -> FilesDiff:
    """Return the difference of two lists of files by content."""
    old, new = {file.path: file for file in before}, {file.path: file for file in after}
    changes = []
    for path in sorted(old.keys() | new.keys()):
        before_file, after_file = old.get(path), new.get(path)
        if before_file and after_file and before_file.hash == after_file.hash:
            continue
        change = "changed" if before_file and after_file else "removed" if before_file else "added"
        sizes = (before_file.size if before_file else -1, after_file.size if after_file else -1)
        changes.append(FileChange(path=path, change=change, before_size=sizes[0], after_size=sizes[1]))
    return FilesDiff(changes=changes, same_count=len(old.keys() | new.keys()) - len(changes))


def diff_text(before: str, after: str) -> list[str]:
    """Return the lines of a unified diff with three lines of context."""
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > MAX_LINES:
        raise Invalid("path", max(len(old), len(new)), f"files of at most {MAX_LINES} lines")
    return list(difflib.unified_diff(old, new, "before", "after", lineterm=""))
