"""Feedback from a table: `hl.feedback.load("labels.parquet")` sends the outcomes of many predictions to a gateway."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from helicline.errors import Invalid, NotFound, Refused, Unavailable
from helicline.sdk.client import Client
from helicline.tables.sql_text import identifier

if TYPE_CHECKING:
    import httpx

BATCH = 2000
PAUSES_S = (0.5, 2.0, 8.0, 30.0)  # after answers that say: later
SHOWN_REFUSALS = 20
READERS = {
    ".parquet": "read_parquet",
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".json": "read_json",
    ".jsonl": "read_json",
}
ID, ROW, VALUE, UNIT, EVENT = "prediction_id", "row", "value", "unit", "idempotency_key"
VIEW = "feedback_rows"


class Refusal(msgspec.Struct, frozen=True):
    """A row that the gateway did not take. Rows count from 1, without a heading."""

    row: int
    why: str


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows were accepted, had no value yet, and were refused; the first refusals with their reasons."""

    accepted: int = 0
    without_value: int = 0
    refused: int = 0
    refusals: tuple[Refusal, ...] = ()


class FeedbackTable(msgspec.Struct, frozen=True, kw_only=True):
    """Where the columns of a table go. `value` is the column with the outcome, `name` what it is called as feedback.

    `unit` is the column with the assignment key, where the rows are of units and not of predictions; `event` one that
    tells two events of a unit apart.
    """

    deployment: str
    name: str
    value: str
    time: str = ""
    unit: str = ""
    event: str = ""


def load(
    source: Any,
    *,
    deployment: str = "",
    name: str = "",
    value: str = "",
    time_column: str = "",
    unit: str = "",
    event: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Loaded:
    """Send the rows of a table as feedback, and return what became of them; each batch is on the disk when it counts.

    Loading a table twice does no harm: the last value of a prediction, or of an event, wins.

    Args:
        source: a Parquet, CSV or JSON lines file, a DataFrame, an Arrow table or a dict of columns, with a column
            `prediction_id`, one with the outcome, and `row` where predictions were made in batches; or with a column
            of units.
        deployment: whose predictions they are; by default the only one there is.
        name: of the feedback; by default the label of the loop that feeds the deployment.
        value: the column with the outcome; by default the one called like the feedback, or `label`, or `value`.
        time_column: when the outcome came about; by default now.
        unit: the column with the assignment key of the unit, in place of `prediction_id`.
        event: the column that tells events apart, like the number of an order: a unit may have many, and what comes
            again corrects what came before. By default they are told apart by their time.
        progress: is called with the rows that were sent, and all.

    Raises:
        Invalid: the table cannot be read, or has no such column, or no deployment is named and there are several.
        NotFound: there is no such file or deployment.
        Refused: the gateway asks for a token (HELICLINE_GATEWAY_TOKEN).
        Unavailable: no gateway takes feedback.
    """
    with Client() as client:
        place, address = _place(client, deployment)
        feedback_name = name or _label_of(client, place)
    with _opened(source) as session:
        columns = [str(column) for column in session.table(VIEW).columns]
        table = FeedbackTable(
            deployment=place,
            name=feedback_name,
            value=value or _value_column(columns, feedback_name),
            time=time_column,
            unit=unit,
            event=event,
        )
        _check(columns, table)
        return _send_all(session, table, address=address, progress=progress)


def _place(client: Client, deployment: str) -> tuple[str, str]:
    """Return the deployment and the address of a gateway that serves it."""
    details = client.items("/deployments", dict[str, Any])
    names = [detail["deployment"]["name"] for detail in details]
    if not deployment and len(names) != 1:
        allowed = f"--deployment with one of {', '.join(sorted(names)) or '(none yet)'}"
        raise Invalid("deployment", "none named", allowed)
    detail = next((detail for detail in details if detail["deployment"]["name"] == (deployment or names[0])), None)
    if detail is None:
        raise NotFound("deployment", deployment, f"There is: {', '.join(sorted(names)) or 'none yet'}.")
    address = next((row["observed"]["address"] for row in detail["gateways"] if row["observed"]["address"]), "")
    if not address:
        raise Unavailable("gateway", "none has reported to the server; start one with: hl up")
    return detail["deployment"]["name"], address


def _label_of(client: Client, deployment: str) -> str:
    loops = client.items("/loops", dict[str, Any])
    specs = (detail["loop"]["spec"] for detail in loops)
    return next((spec["label"] for spec in specs if spec["deployment"] == deployment), "label")


def _opened(source: Any) -> Any:
    """Return a session of DuckDB that has the table as a view."""
    import duckdb

    from helicline.sdk.handles import relation_of

    session = duckdb.connect(":memory:")
    session.execute("SET TimeZone = 'UTC'")
    if not isinstance(source, str | Path):
        relation_of(session, source).create_view(VIEW)
        return session
    path = Path(source)
    suffix = path.suffix.lower()
    if not path.is_file():
        raise NotFound("file", str(source), "Say where the labels are.")
    if suffix not in READERS:
        raise Invalid("labels", str(source), f"a file that ends with {', '.join(READERS)}")
    try:
        getattr(session, READERS[suffix])(str(path)).create_view(VIEW)
    except duckdb.Error as error:
        raise Invalid("labels", f"{path}: {str(error).splitlines()[0]}", "a table that can be read") from None
    return session


def _value_column(columns: list[str], name: str) -> str:
    for candidate in (name, "label", VALUE):
        if candidate in columns:
            return candidate
    raise Invalid("value", f"columns {', '.join(columns[:20])}", f"a column {name!r}, or --value with its name")


def _check(columns: list[str], table: FeedbackTable) -> None:
    subject = ("unit", table.unit) if table.unit else (ID, ID)
    for field, column in (subject, ("value", table.value), ("time", table.time), ("event", table.event)):
        if column and column not in columns:
            hint = "Of units, name their column: --unit user_id" if column == ID else ""
            raise Invalid(field, f"columns {', '.join(columns[:20])}", f"a column {column!r}", hint)


def _send_all(
    session: Any, table: FeedbackTable, *, address: str, progress: Callable[[int, int], None] | None
) -> Loaded:
    import httpx

    total, sent = int(session.table(VIEW).shape[0]), 0
    loaded = Loaded()
    token = os.environ.get("HELICLINE_GATEWAY_TOKEN", "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=address, headers=headers, timeout=60.0, trust_env=False) as gateway:
        for rows in _batches(session, table):
            lines = [(sent + number, line) for number, line in enumerate(rows, 1) if line is not None]
            answers = _send(gateway, [line for _, line in lines]) if lines else []
            loaded = _counted(loaded, [number for number, _ in lines], answers, row_count=len(rows))
            sent += len(rows)
            if progress is not None:
                progress(sent, total)
    return loaded


def _batches(session: Any, table: FeedbackTable) -> Iterator[list[bytes | None]]:
    """Yield the rows as lines of feedback; None for a row without a value."""
    view = session.table(VIEW)
    types = {str(name): str(kind) for name, kind in zip(view.columns, view.types, strict=True)}
    chosen = {field: column for field, column in _fields(table, list(types)).items() if column}
    selected = ", ".join(_as_utc(column, types[column]) for column in chosen.values())
    rows_in_order = session.execute(f"SELECT {selected} FROM {VIEW}")
    while rows := rows_in_order.fetchmany(BATCH):
        yield [_line(dict(zip(chosen, row, strict=True)), table) for row in rows]


def _as_utc(column: str, kind: str) -> str:
    """Return the SQL of a column; the gateway takes a time without a zone as UTC."""
    name = identifier(column)
    if kind == "DATE":
        return f"CAST({name} AS TIMESTAMP)"
    return f"timezone('UTC', {name})" if kind == "TIMESTAMP WITH TIME ZONE" else name


def _fields(table: FeedbackTable, columns: list[str]) -> dict[str, str]:
    subject = {UNIT: table.unit} if table.unit else {ID: ID, ROW: ROW if ROW in columns else ""}
    return {**subject, VALUE: table.value, "ts": table.time, EVENT: table.event}


def _line(fields: dict[str, Any], table: FeedbackTable) -> bytes | None:
    outcome = fields[VALUE]
    if outcome is None or (isinstance(outcome, float) and math.isnan(outcome)):
        return None
    body = {name: field for name, field in fields.items() if field is not None}
    body |= {"name": table.name, "deployment": table.deployment}
    body |= {field: _key(body[field]) for field in (ID, UNIT, EVENT) if field in body}
    if ROW in body:
        body[ROW] = _as_integer(body[ROW])
    body[VALUE] = outcome if isinstance(outcome, str | int | float | bool) else str(outcome)
    return json.dumps(body, default=_moment).encode()


def _key(value: Any) -> str:
    """Return an id as text; a whole number that an empty cell made a float is that number."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _as_integer(value: Any) -> Any:
    """Return a whole number that a column holds as text or as a float, and any other value as it is, to be refused.

    One cell that is no number makes a whole CSV column text, one that is empty makes a pandas column floats.
    """
    try:
        number = float(value)
        return int(number) if number.is_integer() else value
    except (TypeError, ValueError):
        return value


def _moment(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _send(gateway: httpx.Client, lines: list[bytes]) -> list[dict[str, Any]]:
    """Send a batch until it is taken, and return the answer to each line."""
    import httpx

    why = ""
    for pause_s in (0.0, *PAUSES_S):
        time.sleep(pause_s)
        try:
            response = gateway.post("/v1/feedback:batch", content=b"\n".join(lines))
        except httpx.TransportError as error:
            why = f"{type(error).__name__}: {error}"
            continue
        if response.status_code in (401, 403):
            hint = "Set HELICLINE_GATEWAY_TOKEN to what this prints: hl token create NAME --scope feedback:DEPLOYMENT"
            raise Refused("take feedback", response.text[:300], hint)
        if response.status_code == 202:
            return [json.loads(line) for line in response.text.splitlines()]
        why = f"it answered {response.status_code}: {response.text[:300]}"
    raise Unavailable("gateway", f"{gateway.base_url} takes no feedback; {why}")


def _counted(loaded: Loaded, numbers: list[int], answers: list[dict[str, Any]], *, row_count: int) -> Loaded:
    pairs = zip(numbers, answers, strict=True)
    refusals = [Refusal(number, answer["error"]) for number, answer in pairs if answer["status"] != "accepted"]
    return Loaded(
        accepted=loaded.accepted + len(numbers) - len(refusals),
        without_value=loaded.without_value + row_count - len(numbers),
        refused=loaded.refused + len(refusals),
        refusals=(*loaded.refusals, *refusals)[:SHOWN_REFUSALS],
    )
