"""The table of a dataset version: fetched from the server, read as it was looked into at the commit."""

from __future__ import annotations

from pathlib import Path

import msgspec

from helicline.errors import Invalid
from helicline.records.dataset import DatasetVersion, FileEntry
from helicline.records.table import TableFacts
from helicline.sdk.client import Client
from helicline.sdk.handles import Table
from helicline.tables.names import kind_of


def open_dataset(ref: str, client: Client, folder: Path) -> Table:
    """Return the tables of a dataset version as one: all of its files that are tables, whatever their format.

    Raises:
        Invalid: none of its files is a table, or they were committed as files.
    """
    name, _, point = ref.partition("@")
    version = client.get(f"/datasets/{name}/versions/{point}", DatasetVersion)
    if version.table:
        facts = msgspec.json.decode(
            client.fetch_blob(version.table, folder / "table.json").read_bytes(), type=TableFacts
        )
        return Table([_fetched(client, file.path, file.hash, folder=folder) for file in facts.files], facts=facts)
    entries = client.items(f"/datasets/{name}/versions/{point}/files", FileEntry)
    tables = [entry for entry in entries if kind_of(entry.path)]
    if version.kind == "files" or not tables:
        files = ", ".join(entry.path for entry in entries[:3])
        how = "at least one table among its files (Parquet, CSV, JSON lines, Arrow), committed without --as-files"
        raise Invalid(f"dataset {ref}", f"{len(entries)} files ({files})", how)
    paths = [_fetched(client, entry.path, entry.hash, folder=folder) for entry in tables]
    return Table(paths, names=[entry.path for entry in tables])


def _fetched(client: Client, path: str, digest: str, *, folder: Path) -> Path:
    """Return a file of a dataset version, under its own name in a folder of its own."""
    return client.fetch_blob(digest, folder / digest[:16] / Path(path).name)
