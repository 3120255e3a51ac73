"""The files of a run, and how those of two runs differ."""

from __future__ import annotations

import difflib

import msgspec

from helicline.errors import Invalid, NotFound
from helicline.records.model import ArtifactFile
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
    uri = get_run(tx, run_id).artifact_uri
    root = path_in_store(uri)
    if root is None:
        raise Invalid("run", run_id, f"a run whose artifacts lie here; these lie at {uri}")
    return root


def listing(tx: Reader, run_id: str, path: str = "") -> list[Entry]:
    """Return what lies directly below a folder of the run, folders first."""
    root = home_of(tx, run_id)
    found = list_artifacts(tx, f"{root}/{checked_path('path', path)}" if path else root)
    return sorted(found, key=lambda entry: (not entry.is_dir, entry.path))


def file_of(tx: Reader, run_id: str, path: str) -> ArtifactFile:
    """Return the file of a run. Raises NotFound where there is none."""
    root = home_of(tx, run_id)
    try:
        return get_artifact(tx, f"{root}/{checked_path('path', path)}")
    except NotFound:
        raise NotFound("artifact", path, f"See what run {run_id} has in its artifact list.") from None


def diff_runs(tx: Reader, before: str, after: str) -> FilesDiff:
    """Return how the files of two runs differ."""
    return diff_files(artifact_files(tx, home_of(tx, before)), artifact_files(tx, home_of(tx, after)))


def diff_files(before: list[ArtifactFile], after: list[ArtifactFile]) -> FilesDiff:
    """Return how two trees differ by content."""
    old, new = {file.path: file for file in before}, {file.path: file for file in after}
    changes = []
    for path in sorted(old.keys() | new.keys()):
        one, other = old.get(path), new.get(path)
        if one and other and one.hash == other.hash:
            continue
        change = "changed" if one and other else "removed" if one else "added"
        sizes = (one.size if one else -1, other.size if other else -1)
        changes.append(FileChange(path=path, change=change, before_size=sizes[0], after_size=sizes[1]))
    return FilesDiff(changes=changes, same_count=len(old.keys() | new.keys()) - len(changes))


def diff_text(before: str, after: str) -> list[str]:
    """Return the lines of a unified diff, three lines of context."""
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > MOST_LINES:
        raise Invalid("path", max(len(old), len(new)), f"files of at most {MOST_LINES} lines")
    return list(difflib.unified_diff(old, new, "before", "after", lineterm=""))
