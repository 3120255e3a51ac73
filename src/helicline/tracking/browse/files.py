"""The files of a run and of the models that it made, and how those of two runs differ."""

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

MOST_LINES = 20_000


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """A file that one side has and the other has not, or has otherwise; sizes are -1 where it is not."""

    path: str
    change: str
    before_size: int
    after_size: int


class FilesDiff(msgspec.Struct, frozen=True, kw_only=True):
    """Which files differ by content, and how many are the same."""

    changes: list[FileChange]
    same_count: int


def home_of(tx: Reader, run_id: str) -> str:
    """Return the folder of a run's artifacts. Raises Invalid where they lie in a store that is not ours."""
    return _home(get_run(tx, run_id))


def _home(run: Run) -> str:
    root = path_in_store(run.artifact_uri)
    if root is None:
        raise Invalid("run", run.run_id, f"a run whose artifacts lie here; these lie at {run.artifact_uri}")
    return root


def listing(tx: Reader, run_id: str, path: str = "") -> list[Entry]:
    """Return what lies directly below a folder of the run, folders first; a model that it made is a folder, too."""
    prefix = checked_path("path", path) if path else ""
    entries: dict[str, Entry] = {}
    for folder, root in _trees(tx, run_id):
        if folder and not prefix:
            entries[folder] = Entry(path=folder, is_dir=True)
            continue
        inner = _within(folder, prefix)
        if inner is not None:
            entries |= {entry.path: entry for entry in list_artifacts(tx, f"{root}/{inner}" if inner else root)}
    return sorted(entries.values(), key=lambda entry: (not entry.is_dir, entry.path))


def file_of(tx: Reader, run_id: str, path: str) -> ArtifactFile:
    """Return the file of a run, or of a model that it made. Raises NotFound where there is none."""
    name = checked_path("path", path)
    for folder, root in _trees(tx, run_id):
        inner = _within(folder, name)
        if inner:
            with suppress(NotFound):
                return get_artifact(tx, f"{root}/{inner}")
    raise NotFound("artifact", path, f"See what run {run_id} has in its artifact list.")


def diff_runs(tx: Reader, before: str, after: str) -> FilesDiff:
    """Return how the files of two runs differ, those of the models that they made among them."""
    return diff_files(_files_of(tx, before), _files_of(tx, after))


def _files_of(tx: Reader, run_id: str) -> list[ArtifactFile]:
    return [
        msgspec.structs.replace(file, path=f"{folder}/{file.path}") if folder else file
        for folder, root in _trees(tx, run_id)
        for file in artifact_files(tx, root)
    ]


def _trees(tx: Reader, run_id: str) -> list[tuple[str, str]]:
    """Return the folders of a run and where they lie: "" for its own files, then one for each model that it made.

    Of models with one name the last is called by it alone, as clients load it; the others tell their step, too.
    """
    run = get_run(tx, run_id)
    trees = {"": _home(run)}
    newest_first = sorted(run.model_outputs, key=lambda output: output.step, reverse=True)
    for output in newest_first:
        model = models.find(tx, output.model_id)
        root = path_in_store(model.artifact_uri) if model is not None else None
        if model is None or root is None or model.lifecycle != "active":
            continue
        names = (model.name, f"{model.name}@{output.step}", f"{model.name}@{output.model_id}")
        trees[next(name for name in names if name not in trees)] = root
    return list(trees.items())


def _within(folder: str, path: str) -> str | None:
    """Return the rest of a path that leads into the folder, None where it leads elsewhere."""
    if not folder or path == folder:
        return path if not folder else ""
    return path.removeprefix(f"{folder}/") if path.startswith(f"{folder}/") else None


def diff_files(before: list[ArtifactFile], after: list[ArtifactFile]) -> FilesDiff:
    """Return how two trees differ by content."""
    old, new = {file.path: file for file in before}, {file.path: file for file in after}
    changes = []
    for path in sorted(old.keys() | new.keys()):
        before_file, other = old.get(path), new.get(path)
        if before_file and other and before_file.hash == other.hash:
            continue
        change = "changed" if before_file and other else "removed" if before_file else "added"
        sizes = (before_file.size if before_file else -1, other.size if other else -1)
        changes.append(FileChange(path=path, change=change, before_size=sizes[0], after_size=sizes[1]))
    return FilesDiff(changes=changes, same_count=len(old.keys() | new.keys()) - len(changes))


def diff_text(before: str, after: str) -> list[str]:
    """Return the lines of a unified diff, three lines of context."""
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > MOST_LINES:
        raise Invalid("path", max(len(old), len(new)), f"files of at most {MOST_LINES} lines")
    return list(difflib.unified_diff(old, new, "before", "after", lineterm=""))
