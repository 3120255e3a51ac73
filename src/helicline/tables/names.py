"""Which files are tables, by their names."""

from __future__ import annotations

from helicline.records.table import FileKind

KINDS: dict[str, FileKind] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".arrow": "arrow",
    ".feather": "arrow",
}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
WORDS: dict[FileKind, str] = {"parquet": "Parquet", "csv": "CSV", "jsonl": "JSON lines", "arrow": "Arrow"}


def kind_of(path: str) -> tuple[FileKind, str] | None:
    """Return the format and the compression of a file; None for one that is no table."""
    name, compression = path.lower(), "none"
    for ending, method in COMPRESSIONS.items():
        if name.endswith(ending):
            name, compression = name.removesuffix(ending), method
    kind = next((kind for ending, kind in KINDS.items() if name.endswith(ending)), None)
    if kind is None or (compression != "none" and kind not in ("csv", "jsonl")):
        return None
    return kind, compression
