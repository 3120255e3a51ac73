"""`python -m helicline.monitor.table_profile.process`: profiles a table in a process of its own with little memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from helicline.monitor.table_profile.columns import TableProfile, profile_of
from helicline.records.table import TableFacts
from helicline.tables import apart
from helicline.tables.inspect import LocalFile, inspect
from helicline.tables.read import relation


class Request(msgspec.Struct):
    """The files of a version that are tables; `facts` say how they are read, where that was recorded."""

    files: list[LocalFile]
    facts: TableFacts | None


def profile_apart(files: list[LocalFile], facts: TableFacts | None) -> TableProfile:
    """Return the profile of the table that lies in the files.

    Raises:
        Invalid: the files cannot be read as one table, or are too much for the process.
    """
    return apart.ask("helicline.monitor.table_profile.process", Request(files, facts), TableProfile)


def _profile(session: Any, request: Request) -> TableProfile:
    facts = request.facts or inspect(session, request.files)
    assert facts is not None
    places = {file.path: Path(file.at) for file in request.files}
    relation(session, facts, [places[file.path] for file in facts.files]).create_view("data")
    return profile_of(session, facts.row_count)


if __name__ == "__main__":
    apart.answer(Request, _profile)
