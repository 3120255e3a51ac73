"""Datasets from Python: `hl.data.commit("clicks", frame)` makes a version of a frame, of files, or of folders."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from helicline.errors import Conflict, Invalid, NotFound, Refused, Unavailable
from helicline.ids import checked_name
from helicline.records.dataset import Commit, DatasetVersion, FileEntry
from helicline.sdk.client import Client
from helicline.sdk.frames import write_frame
from helicline.sdk.local_files import LocalFiles, files_of

__all__ = ["commit"]
TRIES = 5
WAIT_S = 1800.0
PART = re.compile(r"[^/=\\]+=[^/=\\]+(/[^/=\\]+=[^/=\\]+)*")
FRAME_FILE = "rows-{:06d}.parquet"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit makes of the version before: all files of the next one, and a sentence that says it."""

    files: tuple[FileEntry, ...]
    sentence: str = ""


def commit(
    dataset: str,
    source: Any,
    *,
    append: bool = False,
    partition: str = "",
    ref: str = "main",
    message: str = "",
    as_files: bool = False,
    client: Client | None = None,
    tell: Callable[[str], None] = print,
) -> DatasetVersion:
    """Commit a frame, a path or several paths as the next version of a dataset, and return it.

    Args:
        source: a pandas or polars frame, an Arrow table or a dict of columns, which becomes Parquet and keeps its
            types; or a file, a folder, a pattern like "exports/*.csv", or a list of these.
        append: add to the files of the version that `ref` points to, instead of replacing them.
        partition: like "day=2026-03-01": replace only the files below this folder of the version.
        ref: the ref that points to the new version.
        message: what it says in the list of versions; by default what was appended or replaced.
        as_files: take the files as they are, not as a table.
        client: the server's client; default: the configured server.
        tell: called with each sentence on what is not taken as it is.

    Raises:
        Invalid: there is no file, a file cannot be read, or has other columns than the others.
        Conflict: a file to append is there with other content.
        Refused: the version does not keep the contract of the dataset; it is quarantined, and `ref` stays.

    Example:
        >>> import helicline as hl
        >>> version = hl.data.commit("clicks", {"user": [1, 2]}, append=True)  # doctest: +SKIP
    """
    if append and partition:
        raise Invalid("append", "with a partition", "one of the two", "A partition replaces its own part only.")
    if partition and not PART.fullmatch(partition):
        raise Invalid("partition", partition, "NAME=VALUE, or several joined by '/'")
    session = client or Client()
    with TemporaryDirectory(prefix="helicline-commit-") as folder:
        files, is_frame = _files(source, Path(folder), tell)
        session.upload(files)
        entries = [entry for entry, _ in files]
        for attempt in range(TRIES):
            head, before = _head(session, dataset, ref) if append or partition else (None, [])
            change = _change(before, entries, partition=partition, is_frame=is_frame, append=append)
            if change.sentence:
                tell(change.sentence)
            if head is not None and set(change.files) == set(before):
                return head
            expected = (head.id if head else "") if append or partition else None
            detail = Commit(ref=ref, message=message or change.sentence, expected=expected)
            try:
                version = session.commit_entries(dataset, list(change.files), detail, as_files=as_files)
                return published(session, version, ref, tell=tell)
            except Conflict:
                if expected is None or attempt == TRIES - 1:
                    raise
                tell(f"{dataset}@{ref} has moved meanwhile: once more, on what it points to now")
    raise Conflict("ref", f"{dataset}@{ref}", "kept moving")


def published(client: Client, version: DatasetVersion, ref: str, *, tell: Callable[[str], None]) -> DatasetVersion:
    """Return a committed version when its checks have passed and `ref` has moved to it.

    Raises:
        Refused: it does not keep the contract of its dataset, or the ref has moved to another version meanwhile.
        Unavailable: no worker has checked it in time.
    """
    if version.audit is None or version.audit.ref != ref:
        return version
    tell(f"{version.ref} is a draft until it has passed the checks of contract {version.audit.number}")
    version = wait_for_checks(client, version)
    audit = version.audit
    if audit is None or (audit.state == "passed" and not audit.why):
        return version
    hint = (
        f"`hl data show {version.ref}` shows the rows. Mend them and commit again; or answer for it:"
        f" hl data publish {version.ref} --by NAME --because REASON"
    )
    raise Refused(f"publish {version.ref} (v{version.sequence})", audit.reason(), hint)


def wait_for_checks(client: Client, version: DatasetVersion) -> DatasetVersion:
    """Return a version when its checks are over. Raises Unavailable where no worker has finished them in time."""
    end, pause_s = time.monotonic() + WAIT_S, 0.05
    while version.audit is not None and version.audit.state == "waiting":
        if time.monotonic() > end:
            why = f"no worker has finished it in {WAIT_S:.0f} s; the version stays a draft until then"
            raise Unavailable(f"the check of {version.ref}", why, "See: hl status")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 1.0)
        version = client.get(f"/datasets/{version.dataset}/versions/{version.id}", DatasetVersion)
    return version


def _files(source: Any, folder: Path, tell: Callable[[str], None]) -> tuple[LocalFiles, bool]:
    """Return the files of a source, and whether it is a frame, which has no file name of its own."""
    if isinstance(source, str | Path):
        return files_of([source]), False
    if isinstance(source, Sequence) and source and all(isinstance(path, str | Path) for path in source):
        return files_of(source), False
    path = folder / FRAME_FILE.format(1)
    write_frame(source, path, tell)
    return files_of([path]), True


def _head(client: Client, dataset: str, ref: str) -> tuple[DatasetVersion | None, list[FileEntry]]:
    """Return the version that a ref points to with its files; nothing for a dataset or a ref that is new."""
    try:
        head = client.get(f"/datasets/{checked_name('dataset', dataset)}/versions/{ref}", DatasetVersion)
        return head, client.items(f"/datasets/{dataset}/versions/{head.id}/files", FileEntry)
    except NotFound:
        return None, []


def _change(before: list[FileEntry], added: list[FileEntry], *, partition: str, is_frame: bool, append: bool) -> Change:
    """Return what the commit makes of the files before.

    Raises:
        Conflict: a file to append is there with other content.
    """
    if partition:
        return _replaced(before, added, partition)
    if not append:
        return Change(files=tuple(added))
    if is_frame:
        added = [_numbered(before, added[0])]
    old = {entry.path: entry for entry in before}
    other = [entry.path for entry in added if entry.path in old and old[entry.path].hash != entry.hash]
    if other:
        hint = "Give the new file another name; or replace a part of the dataset with --partition."
        raise Conflict("file", other[0], f"is in the version with other content ({len(other)} in all)", hint)
    new = [entry for entry in added if entry.path not in old]
    same = [entry.path for entry in added if entry.path in old]
    sentence = (
        f"appends {_listed([entry.path for entry in new])} to {_counted(len(before))}" if new else "appends nothing"
    )
    if same:
        sentence += f"; {_listed(same)} {'is' if len(same) == 1 else 'are'} there already, with the same content"
    return Change(files=(*before, *new), sentence=sentence)


def _numbered(before: list[FileEntry], entry: FileEntry) -> FileEntry:
    """Return the file of a frame under the number that follows those of the version."""
    pattern = re.compile(r"rows-(\d{6})\.parquet")
    numbers = [int(match[1]) for old in before if (match := pattern.fullmatch(old.path))]
    return FileEntry(FRAME_FILE.format(max(numbers, default=0) + 1), entry.size, entry.hash)


def _replaced(before: list[FileEntry], added: list[FileEntry], partition: str) -> Change:
    """Return the files with those below `partition` replaced."""
    folder = f"{partition}/"
    kept_files = [entry for entry in before if not entry.path.startswith(folder)]
    new = [FileEntry(folder + entry.path.removeprefix(folder), entry.size, entry.hash) for entry in added]
    count = len(before) - len(kept_files)
    what = f"replaces {_counted(count)} of {partition}" if count else f"adds the new part {partition}"
    return Change(
        files=(*kept_files, *new),
        sentence=f"{what} by {len(new)}; {_counted(len(kept_files))} of other parts: as before",
    )


def _counted(number: int) -> str:
    return f"{number} file{'' if number == 1 else 's'}"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
