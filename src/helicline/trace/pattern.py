"""Regular expressions of users, matched in linear time (RE2, through DuckDB)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from helicline.errors import Invalid

MAX_PATTERN = 1000


@functools.cache
def _engine() -> Any:
    import duckdb

    engine = duckdb.connect(":memory:")
    engine.execute("SET threads = 1")
    engine.execute("SET enable_external_access = false")
    engine.execute("SET lock_configuration = true")
    return engine


def matching(values: Sequence[Any], pattern: str) -> list[bool]:
    """Return for each value whether the pattern occurs in it; a missing value never matches.

    Raises:
        Invalid: the pattern is not a valid RE2 expression.
    """
    import duckdb

    if len(pattern) > MAX_PATTERN:
        raise Invalid("filter", f"{len(pattern)} characters", f"a pattern of at most {MAX_PATTERN} characters")
    texts = [None if value is None else str(value) for value in values]
    statement = "SELECT coalesce(regexp_matches(text, ?), false) FROM (SELECT unnest(?::VARCHAR[]) AS text)"
    try:
        rows = _engine().cursor().execute(statement, [pattern, texts or [None]]).fetchall()
    except duckdb.Error as error:
        raise Invalid("filter", pattern, f"a regular expression: {str(error).splitlines()[0]}") from None
    return [bool(is_match) for (is_match,) in rows][: len(texts)]
