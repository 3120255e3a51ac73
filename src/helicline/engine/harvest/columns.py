"""The columns of harvested rows, as those of the dataset that they are added to: what differs is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helicline.errors import Invalid
from helicline.tables.names import literal, quoted
from helicline.tables.union import INTEGERS, family_of


def conformed(path: Path, columns: Sequence[tuple[str, str]]) -> Path:
    """Return the rows of a Parquet file with the columns of a dataset, in a file beside it.

    Columns that only the dataset has are missing in each row; columns that only the rows have are left out. Whole
    numbers that were logged as fractions become whole again.

    Raises:
        Invalid: they have no column in common.
    """
    import duckdb

    target = path.with_name("conformed.parquet")
    scan = f"read_parquet({literal(str(path))})"
    with duckdb.connect(":memory:") as session:
        own = {name: kind for name, kind, *_ in session.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()}
        names = [name for name, _ in columns]
        _tell("have no value for", [name for name in names if name not in own])
        _tell("have columns that the dataset has not, which are left out:", [name for name in own if name not in names])
        if not set(own) & set(names):
            allowed = f"rows with some of its columns: {', '.join(names[:8])}"
            raise Invalid("labelled rows", f"columns {', '.join(own)}", allowed, "The dataset is not what is served.")
        values = [f"{_value(session, scan, name, own.get(name, ''), kind)} AS {quoted(name)}" for name, kind in columns]
        session.sql(f"SELECT {', '.join(values)} FROM {scan}").write_parquet(str(target), compression="zstd")
    return target


def _tell(what: str, names: list[str]) -> None:
    if names:
        print(f"the rows {what} {', '.join(names)}", flush=True)


def _value(session: Any, scan: str, name: str, *kinds: str) -> str:
    """Return the SQL of a column: as the dataset has it where that loses nothing."""
    own, kind = kinds
    if not own:
        return f"CAST(NULL AS {kind})"
    source = quoted(name)
    if kind == own or family_of(kind) != family_of(own):
        return source
    if kind in INTEGERS and own not in INTEGERS:
        fractions = f"SELECT count_if(isfinite({source}) IS FALSE OR {source} <> trunc({source})) FROM {scan}"
        if session.execute(fractions).fetchall()[0][0]:
            return source
    cast = f"TRY_CAST({source} AS {kind})"
    lost = session.execute(f"SELECT count_if({source} IS NOT NULL AND {cast} IS NULL) FROM {scan}").fetchall()
    return source if lost[0][0] else cast
