"""Frames as Parquet files, with the types that they have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from helicline.errors import Invalid
from helicline.sdk.handles import write_parquet


def write_frame(data: Any, path: Path, tell: Callable[[str], None]) -> None:
    """Write a pandas or polars frame, an Arrow table or other columns as one Parquet file.

    An index of a pandas frame that has names becomes columns; another one is left out, which is told.

    Raises:
        Invalid: it is none of these, a name repeats, or a column holds values of several types.
    """
    library = type(data).__module__.partition(".")[0]
    if library == "polars" and hasattr(data, "collect"):
        data = data.collect()
    if library == "polars":
        data.write_parquet(path, compression="zstd")
    elif library == "pandas":
        _write_pandas(data, path, tell)
    elif library == "pyarrow" and hasattr(data, "schema") and hasattr(data, "column"):
        import pyarrow.parquet

        pyarrow.parquet.write_table(data, path, compression="zstd")
    else:
        write_parquet(data, path)


def _write_pandas(frame: Any, path: Path, tell: Callable[[str], None]) -> None:
    import pandas

    if not isinstance(frame, pandas.DataFrame):
        raise Invalid("frame", type(frame).__name__, "a DataFrame", "A Series becomes one with .to_frame().")
    if all(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    elif not isinstance(frame.index, pandas.RangeIndex):
        tell("the index of the frame has no name and is left out; frame.reset_index() makes it a column")
    repeated = frame.columns[frame.columns.duplicated()].tolist()
    if repeated:
        raise Invalid("columns", str(repeated[0]), "a name for each column that no other has")
    frame = frame.rename(columns=str)
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        write_parquet(frame, path)
        return
    try:
        table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError) as error:
        reason = "; ".join(str(part) for part in error.args)
        raise Invalid("frame", reason, "values of one type in each column", "Convert it with .astype(...).") from None
    pyarrow.parquet.write_table(table, path, compression="zstd")
