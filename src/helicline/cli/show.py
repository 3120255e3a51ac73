"""Output of commands: tables for people, JSON for programs, errors as a sentence and a next step."""

from __future__ import annotations

import string
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from helicline.errors import HeliclineError
from helicline.sdk.client import Client

COLOURS = {
    "pass": "green", "fail": "red", "waived": "yellow", "PROMOTED": "green", "SUCCEEDED": "green", "READY": "green",
    "ROLLED_BACK": "yellow", "REJECTED": "yellow", "FAILED": "red", "firing": "red", "resolved": "green",
    "CACHED": "cyan", "FINISHED": "green", "critical": "red", "warning": "yellow", "ok": "green",
}  # fmt: skip
MIN_WIDTH = 8  # of a column that is shortened


def connect() -> Client:
    """Return a client of the configured server."""
    return Client()


def as_json(value: Any) -> None:
    """Print a record (or a list of them) as JSON, which is UTF-8 whatever the terminal's encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    sys.stdout.buffer.flush()


def coloured(text: str) -> str:
    """Return a state with its colour as rich markup."""
    return f"[{COLOURS[text]}]{text}[/]" if text in COLOURS else text


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = "", shortened: Sequence[str] = ()
) -> None:
    """Print rows below their headings, or `empty` where there are none.

    Where columns are `shortened`, each row takes one line of the terminal: only these columns lose their end.
    """
    from rich.console import Console
    from rich.table import Table

    lines = [["" if cell is None else str(cell) for cell in line] for line in rows]
    console = Console()
    if not lines and empty:
        console.print(plain(empty))
        return
    grid = Table(title=plain(title) or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    widths = _widths(columns, lines, shortened, room=console.width)
    for column in columns:
        width = widths.get(column)
        grid.add_column(plain(column), overflow="ellipsis" if width else "fold", no_wrap=bool(width), max_width=width)
    for line in lines:
        grid.add_row(*[coloured(cell) if cell in COLOURS else plain(cell) for cell in line])
    console.print(grid)


def _widths(
    columns: Sequence[str], lines: Sequence[Sequence[str]], shortened: Sequence[str], *, room: int
) -> dict[str, int]:
    """Return the width of each shortened column: its share of what the other columns leave of a terminal's line."""
    longest = {
        column: max([len(column), *(len(line[index]) for line in lines)]) for index, column in enumerate(columns)
    }
    free = room - 2 * (len(columns) - 1) - sum(longest[column] for column in columns if column not in shortened)
    widths = {}
    for count, column in enumerate(sorted(shortened, key=longest.__getitem__)):  # what a short one leaves, a long uses
        widths[column] = max(MIN_WIDTH, min(longest[column], free // (len(shortened) - count)))
        free -= widths[column]
    return widths


def plain(text: str) -> str:
    """Return text of any origin as rich markup that shows it as it is: no styles, no control sequences."""
    from rich.markup import escape

    return escape("".join(repr(char)[1:-1] if _is_control(char) else char for char in text))


def _is_control(char: str) -> bool:
    return char not in "\n\t" and unicodedata.category(char) == "Cc"


class _Plainly(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        return plain(format(value, format_spec))


def styled(template: str, *values: Any) -> str:
    """Return rich markup: the template's styles, and in the place of each `{}` a value that is shown as it is."""
    return _Plainly().format(template, *values)


def say(template: str, *values: Any) -> None:
    """Print a line: see `styled`. What comes from elsewhere is a value, never a part of the template."""
    say_styled(styled(template, *values))


def say_styled(markup: str) -> None:
    """Print a line that `styled` made."""
    from rich.console import Console

    Console(highlight=False).print(markup)


def print_error(error: HeliclineError, *, place: str = "", severity: str = "error") -> None:
    """Print an error or a warning to standard error, after its place (`file:line`) if there is one."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    where = f"{plain(place or error.place)}: " if place or error.place else ""
    colour = "red" if severity == "error" else "yellow"
    console.print(f"[{colour}]{severity}[/] {where}{plain(error.sentence)}")
    if error.hint:
        console.print(f"{' ' * len(severity)} {plain(error.hint)}")


def ago(moment: datetime | None) -> str:
    """Return the time since a moment, in one unit."""
    if moment is None:
        return ""
    seconds = max(0.0, (datetime.now(UTC) - moment).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def duration(seconds: float | None) -> str:
    """Return a duration in a readable unit."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def megabytes(count: int) -> str:
    """Return a number of bytes for people; "" for none."""
    return f"{count / 1e6:,.0f} MB" if count else ""


def is_terminal() -> bool:
    return sys.stdout.isatty()
