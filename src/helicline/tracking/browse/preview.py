"""Previews: the content of a file as data for a page. Nothing in the file is executed, unpickled or followed."""

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
MAX_TEXT_BYTES, MAX_TABLE_BYTES, MAX_PARQUET_BYTES = 1 << 20, 8 << 20, 64 << 20
MAX_ROWS, MAX_COLUMNS, MAX_CELL_LENGTH = 200, 200, 500
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
    """A cell of a notebook: its source and its output, as text."""

    kind: str
    source: str
    output: str = ""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """The data to show for a file. `cut`: the file has more than is shown."""

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
    """Return how many bytes of the file a preview needs."""
    suffix = Path(path).suffix.lower()
    if suffix in IMAGES:
        return 0
    return (
        MAX_PARQUET_BYTES if suffix == ".parquet" else MAX_TABLE_BYTES if suffix in (".csv", ".tsv") else MAX_TEXT_BYTES
    )


def preview(path: str, content: bytes, *, size: int) -> Preview:
    """Return the preview of a file from its first `max_bytes` bytes; an invalid file is shown as text with a note."""
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
    for dropped in range(4):  # the end may be inside a character
        try:
            return content[: len(content) - dropped].decode()
        except UnicodeDecodeError:
            continue
    return None


def _delimited(path: str, content: bytes, *, size: int, delimiter: str) -> Preview:
    text = _decoded(content)
    if text is None:
        return _text(path, content, size=size)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = next(reader, [])
    rows: list[list[str]] = []
    count = 0
    for row in reader:
        count += 1
        if count <= MAX_ROWS:
            rows.append([cell[:MAX_CELL_LENGTH] for cell in row[:MAX_COLUMNS]])
    is_complete = len(content) == size
    columns = [name[:MAX_CELL_LENGTH] for name in header[:MAX_COLUMNS]]
    return Preview(
        path=path, size=size, kind="table", columns=columns, rows=rows,
        row_count=count if is_complete else None, cut=not is_complete or count > MAX_ROWS or len(header) > MAX_COLUMNS,
    )  # fmt: skip


def _parquet(path: str, content: bytes, *, size: int) -> Preview:
    if len(content) < size:
        note = f"Files over {MAX_PARQUET_BYTES >> 20} MB are not opened here; download it."
        return Preview(path=path, size=size, kind="binary", note=note)
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        file.write(content)
        file.flush()
        # the path is a parameter, and this connection has no other access
        with duckdb.connect(
            config={"threads": 1, "memory_limit": "256MB", "autoinstall_known_extensions": False}
        ) as db:
            try:
                result = db.execute("SELECT * FROM read_parquet(?) LIMIT ?", [file.name, MAX_ROWS])
                columns = [str(column[0]) for column in result.description or []]
                rows = [[_cell(value) for value in row[:MAX_COLUMNS]] for row in result.fetchall()]
                count_row = db.execute("SELECT count(*) FROM read_parquet(?)", [file.name]).fetchone()
            except duckdb.Error as error:
                raise ValueError(str(error).replace(file.name, path)) from None
    count = int(count_row[0]) if count_row else 0
    return Preview(
        path=path, size=size, kind="table", columns=columns[:MAX_COLUMNS], rows=rows, row_count=count,
        cut=count > MAX_ROWS or len(columns) > MAX_COLUMNS,
    )  # fmt: skip


def _cell(value: Any) -> str:
    return "" if value is None else str(value)[:MAX_CELL_LENGTH]


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
    """Return the cells with their plain-text output, without HTML, images and scripts."""
    document = msgspec.json.decode(content, type=_Notebook)
    cells = [
        Cell(
            kind=cell.cell_type[:20], source=_joined_text(cell.source), output="".join(map(_output_text, cell.outputs))
        )
        for cell in document.cells
    ]
    return Preview(path=path, size=size, kind="notebook", cells=cells)


def _output_text(output: _Output) -> str:
    plain = output.data.get("text/plain", "")
    parts = [
        _joined_text(output.text),
        _joined_text(plain) if isinstance(plain, str | list) else "",
        "\n".join(output.traceback),
    ]
    return "".join(parts)[:20_000]


def _joined_text(text: Any) -> str:
    return text if isinstance(text, str) else "".join(part for part in text if isinstance(part, str))


def checked_kind(path: str) -> str:
    """Return the media type of an image that pages may embed. Raises Invalid for any other file."""
    kind = IMAGES.get(Path(path).suffix.lower())
    if kind is None:
        raise Invalid("path", path, f"an image: {', '.join(IMAGES)}")
    return kind
