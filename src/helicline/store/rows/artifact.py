"""Artifacts: a path in the artifact space of this server, and the blob at that path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from helicline.clock import epoch_ms
from helicline.records.model import ArtifactFile
from helicline.store.noun import metadata
from helicline.store.rows.experiment import Exact, insert_into
from helicline.store.unit import Reader, Tx

ARTIFACT = sa.Table(
    "artifact",
    metadata,
    sa.Column("path", Exact, primary_key=True),
    sa.Column("hash", Exact, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
)


# One path alone, and the folders above it together with others who put files there, in the order of the keys.
_LOCK_PATH = (
    "SELECT CASE WHEN own THEN pg_advisory_xact_lock(key) ELSE pg_advisory_xact_lock_shared(key) END FROM"
    " (SELECT hashtextextended('artifact ' || path, 0) AS key, path = %s AS own FROM unnest(%s::text[]) AS path"
    " ORDER BY key) AS ordered"
)


def lock(tx: Tx, path: str) -> None:
    """Block other units that put a file of that name, below it, or with the name of one of its folders."""
    if tx.is_postgres:
        tx.run_text(_LOCK_PATH, [path, [path, *folders_of(path)]])


def folders_of(path: str) -> list[str]:
    """Return the folders that the path lies in."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def find_any(tx: Reader, paths: Sequence[str]) -> str:
    """Return the first of the paths that is a file, "" where none is."""
    return str(tx.execute(sa.select(sa.func.min(ARTIFACT.c.path)).where(ARTIFACT.c.path.in_(paths))).scalar() or "")


def has_below(tx: Reader, root: str) -> bool:
    return tx.execute(sa.select(ARTIFACT.c.path).where(is_below(root)).limit(1)).first() is not None


def put(tx: Tx, path: str, *, hash: str, size: int) -> None:
    """Set the blob at `path`, and replace an earlier one."""
    row = {"path": path, "hash": hash, "size": size, "created_ms": epoch_ms(tx.now)}
    statement = insert_into(tx, ARTIFACT)
    changed = {name: statement.excluded[name] for name in ("hash", "size", "created_ms")}
    tx.execute(statement.on_conflict_do_update(index_elements=["path"], set_=changed), row)


def find(tx: Reader, path: str) -> ArtifactFile | None:
    row = tx.execute(sa.select(ARTIFACT).where(ARTIFACT.c.path == path)).first()
    return None if row is None else _file(row)


def find_below(tx: Reader, root: str) -> list[ArtifactFile]:
    """Return every file below the folder `root`, by path; the empty root is the whole space."""
    return [_file(row) for row in tx.execute(sa.select(ARTIFACT).where(is_below(root)).order_by(ARTIFACT.c.path))]


def remove(tx: Tx, path: str) -> int:
    """Delete the file `path`, or the folder with all files below it; return the number of files. Blobs stay."""
    return int(tx.execute(ARTIFACT.delete().where(sa.or_(ARTIFACT.c.path == path, is_below(path)))).rowcount)


def is_below(root: str) -> sa.ColumnElement[bool]:
    """Return the condition that a file is below the folder at any depth; the empty root matches every file."""
    if not root:
        return sa.true()
    # '0' follows '/' in ASCII: a range of the primary key needs no escaping, as LIKE would
    return sa.and_(ARTIFACT.c.path > root + "/", ARTIFACT.c.path < root + "0")


def _file(row: sa.Row[Any]) -> ArtifactFile:
    return ArtifactFile(path=row.path, size=row.size, hash=row.hash)
