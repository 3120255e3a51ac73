"""Datasets: `hl data`."""

from __future__ import annotations

import time
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from cyclopts import App

from helicline.cli.contract import app as contract_app
from helicline.cli.contract import show_audit
from helicline.cli.show import ago, as_json, connect, say, table
from helicline.errors import Invalid
from helicline.records.dataset import DatasetRef, DatasetVersion, FileEntry, TreeDiff
from helicline.sdk import data

if TYPE_CHECKING:
    from helicline.monitor.table_profile.beside import ColumnBeside, VersionProfile

BARS = " ▁▂▃▄▅▆▇█"
TOP_VALUES = 3
app = App(name="data", help="Versioned data: commit, list, diff, check out.")
app.command(contract_app)


@app.command(name="commit")
def commit(
    dataset: str,
    *paths: str,
    append: bool = False,
    partition: str = "",
    ref: str = "main",
    message: str = "",
    as_files: bool = False,
    json: bool = False,
) -> None:
    """Commit files, folders and patterns as a version; only what the server does not have is uploaded.

    Its CSV, JSON lines, Parquet and Arrow files are one table; how each was read is shown. A file that cannot be read,
    or has other columns than the others, is refused.

    Example: `hl data commit customers exports/ --message "July export"`

    Parameters
    ----------
    append
        Add to the files of the version that the ref points to.
    partition
        Replace only the files below this folder of the version, like `day=2026-03-01`.
    ref
        The ref that points to the new version.
    message
        What it says in the list of versions; by default what was appended or replaced.
    as_files
        Take the files as they are: not as a table that steps read.
    """
    if not paths:
        raise Invalid("paths", "none", "at least one file, folder or pattern")
    version = data.commit(
        dataset, paths, append=append, partition=partition, ref=ref, message=message, as_files=as_files,
        client=connect(), tell=(lambda _: None) if json else (lambda line: say("{}", line)),
    )  # fmt: skip
    if json:
        as_json(version)
        return
    show_version(version)
    if version.audit is not None:
        say("  {} checks of contract {} passed", len(version.audit.results), version.audit.number)


def show_version(version: DatasetVersion) -> None:
    """Print a version: its size, its columns, and how its files are read."""
    rows = f", {version.row_count} rows" if version.row_count is not None else ""
    say(
        "[bold]{}[/] (v{}) {} files, {} bytes{}",
        version.ref,
        version.sequence,
        version.file_count,
        version.byte_count,
        rows,
    )
    if version.columns:
        say("  columns: {}", ", ".join(f"{name} {kind}" for name, kind in version.columns))
    for note in version.notes:
        say("  {}", note)


@app.command(name="ls")
def list_data(dataset: str = "", *, json: bool = False) -> None:
    """List datasets, or the versions of one. Example: `hl data ls customers`"""
    client = connect()
    if dataset:
        versions = client.items(f"/datasets/{dataset}/versions", DatasetVersion)
        if json:
            as_json(versions)
            return
        rows: list[tuple[Any, ...]] = [
            (
                version.ref,
                f"v{version.sequence}",
                version.file_count,
                version.row_count,
                version.byte_count,
                version.message if version.state == "published" else f"({version.state}) {version.message}",
                ago(version.created_at),
            )
            for version in versions
        ]
        table("", ("version", "", "files", "rows", "bytes", "message", "when"), rows)
        return
    summaries = client.items("/datasets", dict[str, Any])
    if json:
        as_json(summaries)
        return
    rows = [(entry["dataset"]["name"], entry["dataset"]["last_sequence"], _refs(entry)) for entry in summaries]
    empty = "No dataset yet. Commit one with: hl data commit NAME PATH"
    table("", ("dataset", "versions", "refs"), rows, empty=empty)


@app.command(name="show")
def show(version: str, *, json: bool = False) -> None:
    """Show a version: how its files are read, its columns, and its checks. Example: `hl data show customers@v3`"""
    name, _, point = version.partition("@")
    record = connect().get(f"/datasets/{name}/versions/{point or 'main'}", DatasetVersion)
    if json:
        as_json(record)
        return
    show_version(record)
    show_audit(record)


@app.command(name="publish")
def publish(version: str, *, because: str = "", by: str = "", ref: str = "main", json: bool = False) -> None:
    """Point a ref to a version: a draft that a turn harvested, or an earlier state. Example: `hl data publish rows@v3`

    A version that did not pass the contract of its dataset needs a reason and a person who answers for it.

    Parameters
    ----------
    because
        Why it is published although it did not pass its checks; stays on record.
    by
        Your name; needed for that where there are no tokens.
    ref
        The ref that moves.
    """
    name, _, point = version.partition("@")
    body = {"target": point, "because": because, "person": by}
    response = connect().send("PUT", f"/datasets/{name}/refs/{ref}", body=body)
    moved = msgspec.json.decode(response.content, type=DatasetRef)
    if json:
        as_json(moved)
        return
    say("{}@{} is {}", name, ref, f"{name}@{moved.target}")


def _refs(summary: dict[str, Any]) -> str:
    return ", ".join(f"{ref['name']} → {ref['target']}" for ref in summary["refs"])


@app.command(name="files")
def list_files(spec: str, *, json: bool = False) -> None:
    """List the files of a version. Example: `hl data files customers@main`"""
    name, _, point = spec.partition("@")
    entries = connect().items(f"/datasets/{name}/versions/{point or 'main'}/files", FileEntry)
    if json:
        as_json(entries)
        return
    table("", ("path", "bytes", "blake3"), [(entry.path, entry.size, entry.hash[:16]) for entry in entries])


@app.command(name="diff")
def diff(
    dataset: str,
    before: str,
    after: str = "main",
    *,
    level: Literal["files", "schema", "stats", "rows"] = "files",
    key: tuple[str, ...] = (),
    json: bool = False,
) -> None:
    """Show how two versions differ. Example: `hl data diff customers v1 v2 --level rows --key id`

    Parameters
    ----------
    level
        Their files; the columns of their tables and their types; what is in the columns; or the rows.
    key
        A column that names a row; may be repeated. With it, rows that changed are told from new ones.
    """
    if level != "files":
        _diff_tables(dataset, before, after, level=level, key=key, json=json)
        return
    if key:
        raise Invalid("--key", ", ".join(key), "with --level rows only")
    changes = connect().get(f"/datasets/{dataset}/diff", TreeDiff, before=before, after=after)
    if json:
        as_json(changes)
        return
    rows: list[tuple[Any, ...]] = [("+", entry.path, entry.size) for entry in changes.added]
    rows += [("-", entry.path, entry.size) for entry in changes.removed]
    rows += [("~", new.path, f"{old.size} → {new.size}") for old, new in changes.changed]
    table("", ("", "path", "bytes"), rows, empty="The two versions are equal.")


def _diff_tables(dataset: str, before: str, after: str, *, level: str, key: tuple[str, ...], json: bool) -> None:
    """Fetch both versions, compare them in DuckDB with little memory, and print what differs."""
    from helicline.sdk.steps.dataset_table import open_dataset
    from helicline.tables import compare
    from helicline.tables.apart import limited_session

    if key and level != "rows":
        raise Invalid("--key", ", ".join(key), "with --level rows only")
    client = connect()
    with TemporaryDirectory(prefix="helicline-diff-") as folder:
        session = limited_session(folder)
        for view, point in (("before", before), ("after", after)):
            rows = open_dataset(f"{dataset}@{point}", client, Path(folder) / view)
            session.execute(f"CREATE VIEW {view} AS {rows.query_in(session)}")
        if level == "rows":
            _show_rows(compare.rows(session, key), key, json=json)
            return
        changes: list[Any] = compare.schema(session) if level == "schema" else compare.stats(session)
    if json:
        as_json(changes)
    elif level == "schema":
        lines = [(change.column, change.before or "(none)", change.after or "(none)") for change in changes]
        table("", ("column", before, after), lines, empty="The two versions have the same columns.")
    else:
        lines = [(change.column, *_pairs(change)) for change in changes]
        table(
            "", ("column", "missing", "different", "from", "to", "mean"), lines, empty="They have no column in common."
        )


def _pairs(change: Any) -> list[str]:
    """Return each fact of a column, or both with an arrow where it changed."""
    facts = []
    for facts_of in (change.before, change.after):
        mean = "" if facts_of.mean is None else f"{facts_of.mean:.6g}"
        facts.append((f"{facts_of.missing:.1%}", f"{facts_of.distinct}", facts_of.low, facts_of.high, mean))
    return [old if old == new else f"{old} → {new}" for old, new in zip(*facts, strict=True)]


def _show_rows(changes: Any, key: tuple[str, ...], *, json: bool) -> None:
    if json:
        as_json(changes)
        return
    counts = [(changes.added, "added"), (changes.removed, "removed")] + ([(changes.changed, "changed")] if key else [])
    summary = ", ".join(f"{count:,} {word}" for count, word in counts)
    say("{:,} rows before, {:,} after: {}", *changes.row_count, summary)
    if changes.not_compared:
        say("  not compared, since only one version has them: {}", ", ".join(changes.not_compared))
    rows = [("+", _cells(row)) for row in changes.added_rows] + [("-", _cells(row)) for row in changes.removed_rows]
    rows += [("~", f"{_cells(cell.key)}: {cell.column} {cell.before} → {cell.after}") for cell in changes.cells]
    if rows:
        table("", ("", "row"), rows)


def _cells(row: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in row.items())


@app.command(name="profile")
def profile(version: str, *, json: bool = False) -> None:
    """Show what is in each column of a version that is a table. Example: `hl data profile customers@v3`

    It is computed when it is first asked for, and stored. Of more than five million rows a sample is read. With --json
    the version before stands beside it.
    """
    name, _, point = version.partition("@")
    record = _computed_profile(f"/datasets/{name}/versions/{point or 'main'}/profile")
    if json:
        as_json(record)
        return
    sampled = f", {record.read_count} of them read, chosen by chance" if record.read_count < record.row_count else ""
    say("[bold]{}[/] {} rows{}", record.version, record.row_count, sampled)
    different = "different (about)" if record.is_estimated else "different"
    rows = [_profile_row(column) for column in record.columns if column.now is not None]
    table("", ("column", "type", "missing", different, "from", "to", "mean", "what is in it"), rows)


def _computed_profile(path: str) -> VersionProfile:
    """Return a profile when it is computed."""
    from helicline.monitor.table_profile.beside import VersionProfile

    client, pause_s = connect(), 0.05
    while (record := client.get(path, VersionProfile)).state == "computing":
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 1.0)
    return record


def _profile_row(column: ColumnBeside) -> tuple[Any, ...]:
    now = column.now
    assert now is not None
    mean = "" if now.mean is None else f"{now.mean:.6g}"
    return (column.name, now.type, f"{now.missing:.1%}", now.distinct, now.low, now.high, mean, _content_of(column))


def _content_of(column: ColumnBeside) -> str:
    """Return the bars of a column's histogram, or its commonest values."""
    bins = column.histogram.bins
    if column.role == "identifier":
        return "nearly every value is different"
    if column.histogram.kind == "category":
        return ", ".join(f"{part.label} {part.window:.0%}" for part in bins[:TOP_VALUES])
    highest = max((part.window for part in bins), default=0.0)
    return "".join(BARS[ceil(part.window / highest * (len(BARS) - 1))] for part in bins) if highest else ""


@app.command(name="checkout")
def checkout(spec: str, target: Path) -> None:
    """Write a version's files to a folder. Example: `hl data checkout customers@v3 data/`"""
    version = connect().checkout(spec, target)
    say("{}: {} files in {}", version.ref, version.file_count, target)
