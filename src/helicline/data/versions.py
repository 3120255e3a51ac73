"""Datasets, dataset versions and refs: create, commit, resolve and point."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from helicline import bus
from helicline.data import tree
from helicline.errors import Conflict, Invalid, NotFound
from helicline.ids import checked_name
from helicline.records.dataset import Commit, Dataset, DatasetRef, DatasetVersion, FileEntry
from helicline.records.table import TableFacts, TableFile
from helicline.store import nouns
from helicline.store.blobs import Blobs
from helicline.store.noun import Stale
from helicline.store.unit import Reader, Tx
from helicline.tables.inspect import LocalFile
from helicline.tables.names import kind_of
from helicline.tables.process import inspect_apart

TO_MAIN = Commit()


class PreparedTree(msgspec.Struct, frozen=True, kw_only=True):
    """A stored manifest, ready to become a version in a transaction; `table` is the blob of a table's facts."""

    root_hash: str
    file_count: int
    byte_count: int
    facts: TableFacts | None = None
    table: str = ""


def prepare(
    blobs: Blobs, entries: Sequence[FileEntry], *, read_before: Sequence[TableFile] = (), as_files: bool = False
) -> PreparedTree:
    """Check the entries and store their manifest, outside of a transaction because it writes files.

    Files that are tables are looked into, in another process, unless they are among `read_before`; `as_files` takes
    all as they are.

    Raises:
        Invalid: no entries, an invalid path, a blob that was not uploaded before, or tables that cannot be read as one.
    """
    ordered = tree.checked_entries(entries)
    if not ordered:
        raise Invalid("files", "none", "at least one file")
    missing = [entry.path for entry in ordered if not blobs.has(entry.hash)]
    if missing:
        raise Invalid("files", missing[0], "files whose blobs were uploaded first", f"{len(missing)} are missing.")
    facts = None if as_files else _inspect(blobs, ordered, read_before)
    return PreparedTree(
        root_hash=tree.write_tree(blobs, ordered),
        file_count=len(ordered),
        byte_count=sum(entry.size for entry in ordered),
        facts=facts,
        table=blobs.put([msgspec.json.encode(facts)])[0] if facts else "",
    )


def _inspect(blobs: Blobs, entries: Sequence[FileEntry], read_before: Sequence[TableFile]) -> TableFacts | None:
    tables = [entry for entry in entries if kind_of(entry.path)]
    if not tables:
        return None
    needed = {entry.hash for entry in tables}
    files = [LocalFile(entry.path, entry.hash, _place(blobs, entry)) for entry in entries]
    return inspect_apart(files, [file for file in read_before if file.hash in needed])


def _place(blobs: Blobs, entry: FileEntry) -> str:
    """Return where a file lies; one that is no table is not looked into, and stays in its bucket."""
    return str(blobs.path(entry.hash)) if kind_of(entry.path) else ""


def read_facts(blobs: Blobs, version: DatasetVersion) -> TableFacts | None:
    """Return what was recorded of a version that is a table, None for other versions."""
    return msgspec.json.decode(b"".join(blobs.read(version.table)), type=TableFacts) if version.table else None


def create(tx: Tx, name: str, *, description: str = "") -> Dataset:
    """Return the dataset, created if it does not exist."""
    existing = nouns.DATASETS.find(tx, checked_name("dataset", name))
    if existing is not None:
        return existing
    dataset = Dataset(name=name, created_at=tx.now, created_by=tx.actor, description=description)
    nouns.DATASETS.insert_new(tx, [dataset])
    bus.emit(tx, "created", "dataset", name)
    return dataset


def commit(tx: Tx, name: str, prepared: PreparedTree, detail: Commit = TO_MAIN) -> DatasetVersion:
    """Return the version of the tree, and move the ref to it; an existing tree makes no new version.

    Raises:
        Stale: the ref points to another version than expected.
    """
    dataset = create(tx, name)
    head = nouns.DATASET_REFS.find(tx, name, checked_name("ref", detail.ref))
    parent = head.target if head else ""
    if detail.expected is not None and detail.expected != parent:
        why = f"points to {parent or 'nothing'}, not to {detail.expected or 'nothing'}"
        raise Stale("ref", f"{name}@{detail.ref}", why)
    version = nouns.DATASET_VERSIONS.find(tx, name, prepared.root_hash[:12])
    if version is None:
        version = _insert(tx, dataset, prepared, parent=parent, detail=detail)
    if parent != version.id and not detail.draft:
        return _move(tx, head, ref=detail.ref, version=version)
    return version


def publish(tx: Tx, version: DatasetVersion, *, ref: str) -> bool:
    """Move `ref` to a draft; return False, and change nothing, where it no longer points to the draft's parent."""
    head = nouns.DATASET_REFS.find(tx, version.dataset, checked_name("ref", ref))
    if (head.target if head else "") != version.parent:
        return False
    _move(tx, head, ref=ref, version=version)
    return True


def _insert(tx: Tx, dataset: Dataset, prepared: PreparedTree, *, parent: str, detail: Commit) -> DatasetVersion:
    dataset = nouns.DATASETS.swap(tx, msgspec.structs.replace(dataset, last_sequence=dataset.last_sequence + 1))
    facts = prepared.facts
    version = DatasetVersion(
        dataset=dataset.name,
        id=prepared.root_hash[:12],
        sequence=dataset.last_sequence,
        root_hash=prepared.root_hash,
        parent=parent,
        message=detail.message,
        created_at=tx.now,
        created_by=tx.actor,
        file_count=prepared.file_count,
        byte_count=prepared.byte_count,
        row_count=facts.row_count if facts else None,
        columns=facts.columns if facts else (),
        kind="table" if facts else "files",
        table=prepared.table,
        notes=facts.notes if facts else (),
        turn=detail.turn,
        state="draft" if detail.draft else "published",
    )
    nouns.DATASET_VERSIONS.insert(tx, version)
    bus.emit(
        tx,
        "committed",
        "dataset_version",
        version.ref,
        sequence=version.sequence,
        rows=version.row_count,
        turn=version.turn,
        state=version.state,
    )
    return version


def _move(tx: Tx, head: DatasetRef | None, *, ref: str, version: DatasetVersion) -> DatasetVersion:
    """Point the ref to a version, and return the version, which is a draft no longer."""
    name, target = version.dataset, version.id
    if version.state != "published":
        version = nouns.DATASET_VERSIONS.swap(tx, msgspec.structs.replace(version, state="published"))
    if head is None:
        nouns.DATASET_REFS.insert(tx, DatasetRef(dataset=name, name=ref, target=target, updated_at=tx.now))
    else:
        nouns.DATASET_REFS.swap(tx, msgspec.structs.replace(head, target=target, updated_at=tx.now))
    bus.emit(tx, "moved", "dataset_ref", f"{name}@{ref}", target=target, previous=head.target if head else "")
    return version


def resolve(tx: Reader, spec: str) -> DatasetVersion:
    """Return the version of `name`, `name@ref`, `name@v3` or `name@<12 hex>`.

    Raises:
        NotFound: no such dataset, ref or version.
    """
    name, _, point = spec.partition("@")
    point = point or "main"
    if nouns.DATASETS.find(tx, name) is None:
        raise NotFound("dataset", name, f"Commit one with: hl data commit {name} PATH")
    ref = nouns.DATASET_REFS.find(tx, name, point)
    version = nouns.DATASET_VERSIONS.find(tx, name, ref.target if ref else point)
    if version is None and point.startswith("v") and point[1:].isdecimal():
        column = nouns.DATASET_VERSIONS.table.c
        matching = nouns.DATASET_VERSIONS.select(tx, column.dataset == name, column.sequence == int(point[1:]))
        version = matching[0] if matching else None
    if version is None:
        raise NotFound("dataset version", spec, f"See: hl data ls {name}")
    return version


def head_of(tx: Reader, name: str, ref: str) -> DatasetVersion | None:
    """Return the version that a ref points to, None where there is none."""
    head = nouns.DATASET_REFS.find(tx, name, ref)
    return nouns.DATASET_VERSIONS.find(tx, name, head.target) if head else None


def datasets(tx: Reader) -> list[Dataset]:
    return nouns.DATASETS.select(tx)


def refs(tx: Reader, name: str) -> list[DatasetRef]:
    return nouns.DATASET_REFS.select(tx, nouns.DATASET_REFS.table.c.dataset == name)


def versions(tx: Reader, name: str, *, limit: int = 200) -> list[DatasetVersion]:
    """Return the versions of a dataset, newest first. Raises NotFound for an unknown dataset."""
    nouns.DATASETS.get(tx, name)
    column = nouns.DATASET_VERSIONS.table.c
    return nouns.DATASET_VERSIONS.select(tx, column.dataset == name, order=[column.sequence.desc()], limit=limit)


def point(tx: Tx, name: str, ref: str, *, target: str, expected: str | None = None) -> DatasetRef:
    """Move a ref to an existing version by compare-and-swap. Raises Stale, NotFound, Conflict."""
    version = resolve(tx, f"{name}@{target}")
    head = nouns.DATASET_REFS.find(tx, name, checked_name("ref", ref))
    if expected is not None and expected != (head.target if head else ""):
        raise Stale("ref", f"{name}@{ref}", f"points to {head.target if head else 'nothing'}, not to {expected}")
    if head and head.target == version.id:
        raise Conflict("ref", f"{name}@{ref}", f"points to {version.id} already")
    _move(tx, head, ref=ref, version=version)
    return nouns.DATASET_REFS.get(tx, name, ref)
