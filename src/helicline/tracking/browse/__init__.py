"""The functions behind the pages of runs: tables, keys, groups, charts."""

from helicline.tracking.browse.edit import archive_runs, edit_tags, restore_runs
from helicline.tracking.browse.series import AXES, Line, lines
from helicline.tracking.browse.table import Query, groups, keys, page_tokens, rows, values

__all__ = [
    "AXES",
    "Line",
    "Query",
    "archive_runs",
    "edit_tags",
    "groups",
    "keys",
    "lines",
    "page_tokens",
    "restore_runs",
    "rows",
    "values",
]
