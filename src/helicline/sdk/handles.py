"""The arguments and results of steps: tables, models, metrics, artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from helicline.errors import Invalid
from helicline.records.table import TableFacts
from helicline.sdk.parts.notebook import html_table
from helicline.tables.inspect import LocalFile, inspect
from helicline.tables.names import kind_of
from helicline.tables.read import select
from helicline.tables.sql_text import literal

if TYPE_CHECKING:
    import duckdb
    import numpy
    import pandas
    import pyarrow


PREVIEW_ROWS = 10  # that a notebook shows


class Table:
    """Rows in files (Parquet, CSV, JSON lines, Arrow), read on demand in several forms.

    The files are one table, whatever their formats: they have to have the same columns.

    Example:
        >>> import helicline as hl
        >>> table = hl.Table.of({"x": [1, 2, 3]})
        >>> table.row_count
        3
    """

    def __init__(
        self, paths: Sequence[str | Path], *, facts: TableFacts | None = None, names: Sequence[str] = ()
    ) -> None:
        self.paths = [Path(path) for path in paths]
        self._facts, self._names = facts, list(names) or [str(path) for path in self.paths]

    def __repr__(self) -> str:
        return f"Table({[str(path) for path in self.paths]})"

    def _repr_html_(self) -> str:
        """Its first rows in a notebook, with the types of the columns; where it cannot be read, why."""
        try:
            relation = self.duckdb()
            heads = [f"{name} ({kind})" for name, kind in zip(relation.columns, relation.types, strict=True)]
            rows, count = relation.limit(PREVIEW_ROWS).fetchall(), self.row_count
        except Invalid as error:
            return html_table(["table"], [[str(error)]])
        return html_table(heads, rows, caption=f"{count:,} rows, {len(heads)} columns")

    @classmethod
    def of(cls, data: Any) -> Table:
        """Return a table of a pandas or polars frame, an Arrow table, a DuckDB relation, or a dict of columns."""
        path = Path(scratch_folder()) / f"{uuid4().hex}.parquet"
        write_parquet(data, path)
        return cls([path])

    def duckdb(self) -> duckdb.DuckDBPyRelation:
        """Return a DuckDB relation over the files; columns are matched by name.

        Raises:
            Invalid: a file cannot be read, or has other columns than the others.
        """
        import duckdb

        rows: duckdb.DuckDBPyRelation = self._in(duckdb.connect(":memory:"))
        return rows

    def _in(self, session: Any) -> Any:
        """Return the table as a relation of a DuckDB session."""
        return session.sql(self.query_in(session))

    def query_in(self, session: Any) -> str:
        """Return the SQL that reads the table in a DuckDB session."""
        if self._facts is None and [path.suffix for path in self.paths] == [".parquet"]:
            return f"SELECT * FROM read_parquet({literal(str(self.paths[0]))}, hive_partitioning = false)"
        if self._facts is None:
            self._facts = self._inspected(session)
            by_name = dict(zip(self._names, self.paths, strict=True))
            self.paths = [by_name[file.path] for file in self._facts.files]
        return select(session, self._facts, self.paths)

    def _inspected(self, session: Any) -> TableFacts:
        files = [LocalFile(name, "", str(path)) for name, path in zip(self._names, self.paths, strict=True)]
        other = next((file.path for file in files if not kind_of(file.path)), "none" if not files else "")
        if other:
            raise Invalid("files of a table", other, "Parquet, CSV, JSON lines or Arrow files, by their endings")
        facts = inspect(session, files)
        assert facts is not None
        return facts

    def pandas(self) -> pandas.DataFrame:
        """Return all rows as a pandas DataFrame (needs pandas)."""
        frame: pandas.DataFrame = self.duckdb().df()
        return frame

    def arrow(self) -> pyarrow.Table:
        """Return all rows as an Arrow table (needs pyarrow)."""
        return self.duckdb().arrow()

    def numpy(self) -> dict[str, numpy.ndarray[Any, Any]]:
        """Return the columns as NumPy arrays by name."""
        return dict(self.duckdb().fetchnumpy())

    @property
    def columns(self) -> list[str]:
        return list(self.duckdb().columns)

    @property
    def row_count(self) -> int:
        return int(self.duckdb().shape[0])


def scratch_folder() -> str:
    """Return the process's folder for what is made in memory; it is removed when the process ends."""
    return _scratch().name


@cache
def _scratch() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="helicline-tables-")


def write_parquet(data: Any, path: Path) -> None:
    """Write tabular `data` as one Parquet file.

    Raises:
        Invalid: `Table.of` does not accept its type.
    """
    import duckdb

    session = duckdb.connect(":memory:")
    relation = relation_of(session, data)
    relation.write_parquet(str(path), compression="zstd")


def relation_of(session: Any, data: Any) -> Any:
    """Return tabular data as a relation. Raises Invalid for other data."""
    if isinstance(data, Table):
        return data._in(session)
    if hasattr(data, "write_parquet") and hasattr(data, "fetchnumpy"):
        return data
    if isinstance(data, dict):
        data = {name: _column(values) for name, values in data.items()}
    elif not (hasattr(data, "columns") or hasattr(data, "schema")):
        raise Invalid(
            "table", type(data).__name__, "a DataFrame, an Arrow table, a DuckDB relation, or a dict of columns"
        )
    session.register("data", data)
    return session.table("data")


def _column(values: Any) -> numpy.ndarray[Any, Any]:
    """Return the values of a column as an array; of lists, whatever their lengths, as an array of lists."""
    import numpy

    try:
        array = numpy.asarray(values)
    except ValueError:  # NumPy makes no array of lists that have different lengths
        array = numpy.empty((len(values), 0))
    if array.ndim < 2:
        return array
    lists = numpy.empty(len(values), dtype=object)
    lists[:] = [None if row is None else list(row) for row in values]
    return lists


class Model:
    """A logged model: `load` returns its MLflow pyfunc model, `predict` calls that model (loaded once)."""

    def __init__(self, path: Path, *, model_id: str = "", digest: str = "") -> None:
        self.path, self.model_id, self.digest = Path(path), model_id, digest

    def __repr__(self) -> str:
        return f"Model({self.uri!r})"

    @property
    def uri(self) -> str:
        return f"models:/{self.model_id}" if self.model_id else str(self.path)

    def load(self) -> Any:
        """Return the model as `mlflow.pyfunc.load_model` does (needs mlflow)."""
        import mlflow.pyfunc

        return mlflow.pyfunc.load_model(str(self.path))

    def predict(self, rows: Any) -> Any:
        """Return the predictions for `rows` (a frame or array in the signature's columns)."""
        return self._loaded.predict(rows)

    @cached_property
    def _loaded(self) -> Any:
        return self.load()


class Metrics(dict[str, float]):
    """Named numbers, as a result of a step.

    Example:
        >>> import helicline as hl
        >>> hl.Metrics(accuracy=0.97)
        {'accuracy': 0.97}
    """


class Artifact:
    """Any file or JSON value, as the input or output of a step."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"Artifact({str(self.path)!r})"

    def json(self) -> Any:
        """Return the value of a JSON artifact."""
        import msgspec

        return msgspec.json.decode(self.path.read_bytes())
