"""Datasets, dataset versions, refs, and entries of file trees."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from helicline.records.contract import DataAudit


class FileEntry(msgspec.Struct, frozen=True, array_like=True):
    """One file of a tree: path relative to its root, size, BLAKE3-256 of its bytes in hex."""

    path: str
    size: int
    hash: str


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    created_at: datetime
    created_by: str
    description: str = ""
    last_sequence: int = 0
    version: int = 1


class DatasetVersion(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable state of a dataset; `id` is the first 12 hex digits of the root manifest's hash.

    A draft is published when a ref first points to it: what was harvested, when its turn promotes. Of a table, `table`
    is the blob of its `TableFacts`, and `notes` say how its files are read. `audit` are its checks, of a dataset
    with a contract; one that does not pass them is quarantined.
    """

    dataset: str
    id: str
    sequence: int
    root_hash: str
    parent: str
    message: str
    created_at: datetime
    created_by: str
    file_count: int
    byte_count: int
    row_count: int | None = None
    columns: tuple[tuple[str, str], ...] = ()
    turn: str = ""
    state: Literal["published", "draft", "quarantined"] = "published"
    kind: Literal["table", "files", ""] = ""  # "" in versions of before it was recorded
    table: str = ""
    notes: tuple[str, ...] = ()
    audit: DataAudit | None = None
    version: int = 1

    @property
    def ref(self) -> str:
        return f"{self.dataset}@{self.id}"


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit says beside its files.

    `expected` is the version id that `ref` points to before ("" for a new ref); null skips the check. Of a `draft` the
    ref stays where it is. `turn` is the turn that harvested the rows.
    """

    ref: str = "main"
    message: str = ""
    expected: str | None = None
    turn: str = ""
    draft: bool = False


class DatasetRef(msgspec.Struct, frozen=True, kw_only=True):
    """A name that points to one version and moves by compare-and-swap, like `main`."""

    dataset: str
    name: str
    target: str
    updated_at: datetime
    version: int = 1


class TreeDiff(msgspec.Struct, frozen=True, kw_only=True):
    added: tuple[FileEntry, ...]
    removed: tuple[FileEntry, ...]
    changed: tuple[tuple[FileEntry, FileEntry], ...]
