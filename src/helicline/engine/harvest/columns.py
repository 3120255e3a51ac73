"""The columns of harvested rows, as those of the dataset that they are added to: what differs is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helicline.errors import Invalid
from helicline.tables.sql_text import identifier, literal
from helicline.tables.union import INTEGERS, family_of


def conformed(path: Path, columns: Sequence[tuple[str, str]]) -> Path:
    """Return the rows of a Parquet file with the columns of a dataset, in a file beside it.

    Columns that only the dataset has are missing in each row; columns that only the rows have are left out. Whole
    numbers that were logged as fractions become whole again, and times that were logged as text become times.

    Raises:
        Invalid: they have no column in common.
    """
    import duckdb

    target = path.with_name("conformed.parquet")
    scan = f"read_parquet({literal(str(path))})"
    with duckdb.connect(":memory:") as session:
        session.execute("SET TimeZone = 'UTC'")
        own = {name: kind for name, kind, *_ in session.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()}
        names = [name for name, _ in columns]
        _tell("have no value for", [name for name in names if name not in own])
        _tell("have columns that the dataset has not, which are left out:", [name for name in own if name not in names])
        if not set(own) & set(names):
            allowed = f"rows with some of its columns: {', '.join(names[:8])}"
            raise Invalid("labelled rows", f"columns {', '.join(own)}", allowed, "The dataset is not what is served.")
        values = [
            f"{_value(session, scan, name, own=own.get(name, ''), kind=kind)} AS {identifier(name)}"
            for name, kind in columns
        ]
        session.sql(f"SELECT {', '.join(values)} FROM {scan}").write_parquet(str(target), compression="zstd")
    return target


def _tell(what: str, names: list[str]) -> None:
    if names:
        print(f"the rows {what} {', '.join(names)}", flush=True)


def _value(session: Any, scan: str, name: str, *, own: str, kind: str) -> str:
    """Return the SQL of a column of type `own`, as the `kind` that the dataset has where that loses nothing."""
    if not own:
        return f"CAST(NULL AS {kind})"
    source = identifier(name)
    families = family_of(own), family_of(kind)
    if kind == own or (
        families[0] != families[1] and families != ("text", "times")
    ):  # dates of JSON are logged as text
        return source
    cast, keeps = f"TRY_CAST({source} AS {kind})", "TRUE"
    if families[1] == "times":  # with a zone at first, since a cast of text to a time without one drops the offset
        moment = f"TRY_CAST({source} AS TIMESTAMPTZ)"
        cast = f"TRY_CAST({moment} AS {kind})"
        keeps = f"TRY_CAST({cast} AS TIMESTAMPTZ) = {moment}"
    elif kind in INTEGERS and own not in INTEGERS:
        keeps = f"isfinite({source}) AND {source} = trunc({source})"
    lost = f"SELECT count_if({source} IS NOT NULL AND ({cast} IS NULL OR NOT ({keeps}))) FROM {scan}"
    return source if session.execute(lost).fetchall()[0][0] else cast
