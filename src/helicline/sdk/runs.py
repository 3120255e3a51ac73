"""Tracked runs from Python: `hl.runs.search("metrics.accuracy > 0.9").to_pandas()`."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from helicline.errors import Invalid, Unavailable
from helicline.records.run import Run
from helicline.sdk.client import Client
from helicline.sdk.parts.notebook import html_table

if TYPE_CHECKING:
    import pandas
    import pyarrow

PAGE_SIZE = 500
SHOWN = 20  # runs in a notebook
NEWEST = "attributes.start_time DESC"
ATTRIBUTES = ("run_id", "experiment_id", "name", "status", "lifecycle", "user", "start_time", "end_time")


class Runs(list[Run]):
    """Runs as a list of records, and as a table: attributes, then `metrics.*`, `params.*` and `tags.*`."""

    def _repr_html_(self) -> str:
        """The runs in a notebook, the first twenty."""
        table = self.columns()
        rows = list(zip(*table.values(), strict=True))[:SHOWN]
        more = f", the first {SHOWN} of them" if len(self) > SHOWN else ""
        return html_table(list(table), rows, caption=f"{len(self):,} runs{more}")

    def columns(self) -> dict[str, list[Any]]:
        """Return the table by column; None where a run has no such value."""
        table: dict[str, list[Any]] = {name: [getattr(run, name) for run in self] for name in ATTRIBUTES}
        entities: dict[str, list[dict[str, Any]]] = {
            "metrics": [{point.key: point.value for point in run.metrics} for run in self],
            "params": [dict(run.params) for run in self],
            "tags": [dict(run.tags) for run in self],
        }
        for kind, values in entities.items():
            for key in sorted({key for facts in values for key in facts}):
                table[f"{kind}.{key}"] = [facts.get(key) for facts in values]
        return table

    def to_arrow(self) -> pyarrow.Table:
        """Return the table as an Arrow table. Raises Unavailable where pyarrow is not installed."""
        try:
            import pyarrow
        except ImportError:
            raise Unavailable("an Arrow table", "pyarrow is not installed", "pip install pyarrow") from None
        return pyarrow.table(self.columns())

    def to_pandas(self) -> pandas.DataFrame:
        """Return the table as a data frame. Raises Unavailable where pandas is not installed."""
        try:
            import pandas
        except ImportError:
            raise Unavailable("a data frame", "pandas is not installed", "pip install pandas") from None
        return pandas.DataFrame(self.columns())

    def save(self, path: str | Path) -> Path:
        """Write the table to a `.csv` or `.parquet` file and return its path."""
        target = Path(path)
        if target.suffix == ".parquet":
            import pyarrow.parquet

            pyarrow.parquet.write_table(self.to_arrow(), target)
        elif target.suffix == ".csv":
            table = self.columns()
            with target.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(table)
                writer.writerows(zip(*table.values(), strict=True))
        else:
            raise Invalid("path", str(path), "a file that ends in .csv or .parquet")
        return target


def search(
    filter: str = "", *, experiment: str = "", order_by: str = NEWEST, limit: int = 1000, client: Client | None = None
) -> Runs:
    """Return the runs that match a filter, each with its latest metrics, parameters and tags.

    Args:
        filter: in MLflow's grammar, like "metrics.accuracy > 0.9 AND params.depth = '7'".
        experiment: the id or the name of an experiment; default: every active one.
        order_by: like "metrics.accuracy DESC".
        limit: the greatest number of runs; they are fetched in pages.
        client: the server's client; default: the configured server.

    Raises:
        Invalid: the filter or the order is not valid.
        NotFound: the experiment does not exist.
        Unavailable: no server answers.

    Example:
        >>> import helicline as hl
        >>> best = hl.runs.search("metrics.accuracy > 0.9", limit=5)  # doctest: +SKIP
    """
    session, result, after = client or Client(), Runs(), ""
    while len(result) < limit:
        query: dict[str, Any] = {
            "experiment": experiment or None,
            "filter": filter or None,
            "order_by": order_by,
            "after": after or None,
            "limit": min(PAGE_SIZE, limit - len(result)),
        }
        response = session.send("GET", "/runs", timeout_s=60.0, **query)
        page = msgspec.json.decode(response.content)
        result += [_run(document) for document in page["items"]]
        after = page.get("next", "")
        if not after:
            break
    return result


def get(run_id: str, *, client: Client | None = None) -> Run:
    """Return one run. Raises NotFound where it does not exist."""
    return _run(msgspec.json.decode((client or Client()).send("GET", f"/runs/{run_id}").content))


def _run(document: dict[str, Any]) -> Run:
    for point in document.get("metrics", []):
        if point.get("value") is None:  # JSON has no NaN
            point["value"] = math.nan
    return msgspec.convert(document, Run)


def differences(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Return what differs between the runs: (name, the value in each), parameters first, then metrics."""
    table = Runs(runs).columns()
    names = [name for kind in ("params.", "metrics.", "tags.") for name in table if name.startswith(kind)]
    rows = [(name, ["" if value is None else f"{value}" for value in table[name]]) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]
