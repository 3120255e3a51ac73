"""The text of a CSV file: its encoding, what is between its columns, and their names."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec
import zstandard
from blake3 import blake3

from helicline.errors import Invalid

DELIMITERS = ",;\t|"
SAMPLE_RECORDS = 200
PIECE_BYTES = 1 << 20
NO_NAME = re.compile(r"[+-]?[\d.,:/\- ]*")


class CsvText(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a CSV file before its values are looked at."""

    encoding: str
    delimiter: str
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_text(path: Path, name: str, compression: str) -> CsvText:
    """Return encoding, delimiter and column names of a CSV file; its first line has the names.

    Raises:
        Invalid: it is empty or no text, or a column has the name of another, or the names look like values.
    """
    try:
        encoding = _encoding(path, name, compression)
        with open_bytes(path, compression) as file, io.TextIOWrapper(file, encoding, newline="") as lines:
            sample = "".join(islice(lines, SAMPLE_RECORDS))
    except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
        raise unreadable(name, f"the file ends or breaks within its compression ({error})") from None
    delimiter = "\t" if name.lower().split(".")[-1] == "tsv" else _delimiter(sample)
    header = next(csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter), [])
    names, notes = _names(name, header)
    return CsvText(encoding=encoding, delimiter=delimiter, names=names, notes=notes)


def unreadable(name: str, why: str, hint: str = "") -> Invalid:
    """Return the refusal of a file by its name."""
    hint = hint or "Mend the file, or leave it out. To keep it as it is, beside a table or not: --as-files."
    return Invalid(name, why, "a table that can be read", hint)


def open_bytes(path: Path, compression: str) -> IO[bytes]:
    """Open a file that may be compressed."""
    if compression == "gzip":
        return gzip.open(path, "rb")  # type: ignore[return-value]
    if compression == "zstd":
        stream: Any = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True)
        return io.BufferedReader(stream)
    return path.open("rb")


def _encoding(path: Path, name: str, compression: str) -> str:
    """Return the encoding: UTF-8 where all bytes are, or what the first bytes say; else Windows-1252, or Latin-1."""
    with open_bytes(path, compression) as file:
        start = file.read(4)
    if not start:
        raise unreadable(name, "an empty file", "Its first line names the columns.")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for encoding in ("utf-8-sig", "cp1252"):
        if _decodes(path, name, compression=compression, encoding=encoding):
            return encoding
    return "latin-1"


def _decodes(path: Path, name: str, *, compression: str, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_bytes(path, compression) as file:
        try:
            for piece in _pieces(file):
                if b"\0" in piece:
                    raise unreadable(name, "bytes that are no text")
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece


def _delimiter(sample: str) -> str:
    """Return what is between the columns: what divides the most lines alike; a comma where nothing does."""

    def score(delimiter: str) -> tuple[float, int]:
        widths = [len(record) for record in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if record]
        width = widths[0] if widths else 0
        return (widths.count(width) / len(widths), width) if width > 1 else (0.0, 0)

    best = max(DELIMITERS, key=score)
    return best if score(best)[1] else ","


def _names(name: str, header: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the columns, and what is to be said of them."""
    names = [cell.strip() for cell in header]
    if all(NO_NAME.fullmatch(cell) for cell in names):
        raise unreadable(name, f"a first line without names: {','.join(header)[:60]}", "Its first line names columns.")
    unnamed = [at for at, cell in enumerate(names) if not cell]
    for at in unnamed:
        names[at] = f"column{at + 1}"
    repeated = [cell for cell, count in Counter(map(str.casefold, names)).items() if count > 1]
    if repeated:
        same = [cell for cell in names if cell.casefold() == repeated[0]]
        named = " and ".join(map(repr, dict.fromkeys(same)))
        raise unreadable(name, f"{len(same)} columns named {named}", "Give each its own name, not by case alone.")
    return tuple(names), tuple(f"column {at + 1} has no name and is called {names[at]}" for at in unnamed)


def in_utf8(path: Path, *, compression: str, encoding: str, folder: Path) -> Path:
    """Return the file in UTF-8, a copy in `folder` where it is written otherwise."""
    if encoding in ("utf-8", "utf-8-sig"):
        return path
    copy = folder / f"{blake3(str(path.absolute()).encode()).hexdigest()[:24]}.csv"
    if not copy.exists():
        with open_bytes(path, compression) as file, copy.open("w", encoding="utf-8", newline="") as target:
            reader = codecs.getreader(encoding)(file)
            while piece := reader.read(PIECE_BYTES):
                target.write(piece)
    return copy
