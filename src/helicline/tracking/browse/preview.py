"""What a file holds, as data that a page can show: nothing in it is run, unpickled or followed here."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from typing import Any, Literal

import duckdb
import msgspec

from helicline.errors import Invalid

Kind = Literal["image", "table", "text", "json", "notebook", "binary"]
MAX_TEXT_BYTES, MOST_TABLE, MOST_PARQUET = 1 << 20, 8 << 20, 64 << 20
ROWS, COLUMNS, CELL = 200, 200, 500
IMAGES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
    ".bmp": "image/bmp",
}


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """A cell of a notebook: its source and what it printed, as text."""

    kind: str
    source: str
    output: str = ""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What to show of a file. `cut` says that the file holds more than is shown."""

    path: str
    size: int
    kind: Kind
    text: str = ""
    columns: list[str] = []
    rows: list[list[str]] = []
    row_count: int | None = None
    cells: list[Cell] = []
    cut: bool = False
    note: str = ""


def max_bytes(path: str) -> int:
    """Return how much of the file a preview looks at."""
    suffix = Path(path).suffix.lower()
    if suffix in IMAGES:
        return 0
    return MOST_PARQUET if suffix == ".parquet" else MOST_TABLE if suffix in (".csv", ".tsv") else MAX_TEXT_BYTES


def preview(path: str, content: bytes, *, size: int) -> Preview:
    """Return the preview of a file whose first `max_bytes` are given; what cannot be read is told as such."""
    suffix = Path(path).suffix.lower()
    cut = len(content) < size
    if suffix in IMAGES:
        return Preview(path=path, size=size, kind="image")
    try:
        if suffix == ".parquet":
            return _parquet(path, content, size=size)
        if suffix in (".csv", ".tsv"):
            return _delimited(path, content, size=size, delimiter="\t" if suffix == ".tsv" else ",")
        if suffix == ".ipynb" and not cut:
            return _notebook(path, content, size=size)
    except (ValueError, csv.Error, msgspec.MsgspecError, RecursionError) as error:
        note = f"This is no valid {suffix[1:]} file: {str(error)[:200]}"
        return _text(path, content, size=size, note=note)
    return _text(path, content, size=size)


def _text(path: str, content: bytes, *, size: int, note: str = "") -> Preview:
    cut = len(content) > MAX_TEXT_BYTES or len(content) < size
    text = _decoded(content[:MAX_TEXT_BYTES])
    if text is None:
        return Preview(path=path, size=size, kind="binary", note=note)
    kind: Kind = "json" if path.lower().endswith(".json") else "text"
    return Preview(path=path, size=size, kind=kind, text=text, cut=cut, note=note)


def _decoded(content: bytes) -> str | None:
    if b"\0" in content:
        return None
    for missing in range(4):  # the cut may fall inside a character
        try:
            return content[: len(content) - missing].decode()
        except UnicodeDecodeError:
            continue
    return None


def _delimited(path: str, content: bytes, *, size: int, delimiter: str) -> Preview:
    text = _decoded(content)
    if text is None:
        return _text(path, content, size=size)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    head = next(reader, [])
    rows: list[list[str]] = []
    count = 0
    for row in reader:
        count += 1
        if count <= ROWS:
            rows.append([cell[:CELL] for cell in row[:COLUMNS]])
    is_complete = len(content) == size
    columns = [name[:CELL] for name in head[:COLUMNS]]
    return Preview(
        path=path, size=size, kind="table", columns=columns, rows=rows,
        row_count=count if is_complete else None, cut=not is_complete or count > ROWS or len(head) > COLUMNS,
    )  # fmt: skip


def _parquet(path: str, content: bytes, *, size: int) -> Preview:
    if len(content) < size:
        note = f"Files over {MOST_PARQUET >> 20} MB are not opened here; download it."
        return Preview(path=path, size=size, kind="binary", note=note)
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        file.write(content)
        file.flush()
        # the file's path is given as a value, and nothing else can be reached from this connection
        with duckdb.connect(
            config={"threads": 1, "memory_limit": "256MB", "autoinstall_known_extensions": False}
        ) as db:
            try:
                result = db.execute("SELECT * FROM read_parquet(?) LIMIT ?", [file.name, ROWS])
                columns = [str(described[0]) for described in result.description or []]
                rows = [[_cell(value) for value in row[:COLUMNS]] for row in result.fetchall()]
                counted = db.execute("SELECT count(*) FROM read_parquet(?)", [file.name]).fetchone()
            except duckdb.Error as error:
                raise ValueError(str(error).replace(file.name, path)) from None
    count = int(counted[0]) if counted else 0
    return Preview(
        path=path, size=size, kind="table", columns=columns[:COLUMNS], rows=rows, row_count=count,
        cut=count > ROWS or len(columns) > COLUMNS,
    )  # fmt: skip


def _cell(value: Any) -> str:
    return "" if value is None else str(value)[:CELL]


class _Output(msgspec.Struct):
    text: str | list[str] = ""
    data: dict[str, Any] = {}
    traceback: list[str] = []


class _Cell(msgspec.Struct):
    cell_type: str = ""
    source: str | list[str] = ""
    outputs: list[_Output] = []


class _Notebook(msgspec.Struct):
    cells: list[_Cell]


def _notebook(path: str, content: bytes, *, size: int) -> Preview:
    """Return cells and their plain-text outputs; HTML, images and scripts inside a notebook are left out."""
    document = msgspec.json.decode(content, type=_Notebook)
    cells = [
        Cell(kind=cell.cell_type[:20], source=_joined(cell.source), output="".join(map(_printed, cell.outputs)))
        for cell in document.cells
    ]
    return Preview(path=path, size=size, kind="notebook", cells=cells)


def _printed(output: _Output) -> str:
    plain = output.data.get("text/plain", "")
    parts = [_joined(output.text), _joined(plain) if isinstance(plain, str | list) else "", "\n".join(output.traceback)]
    return "".join(parts)[:20_000]


def _joined(text: Any) -> str:
    return text if isinstance(text, str) else "".join(part for part in text if isinstance(part, str))


def checked_kind(path: str) -> str:
    """Return the media type of an image that pages may embed. Raises Invalid for any other file."""
    kind = IMAGES.get(Path(path).suffix.lower())
    if kind is None:
        raise Invalid("path", path, f"an image: {', '.join(IMAGES)}")
    return kind
