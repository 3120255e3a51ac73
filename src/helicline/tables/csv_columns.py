"""The types of a CSV file's columns: a type is taken only where every value of the file has it (note 0040).

Missing is an empty cell and, in a column of numbers, dates, times or truth values, one of the words in `MISSING`;
in a column of text such a word is text. Numbers that would lose digits (00123, or more than 18 digits) are text.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from helicline.records.table import TableColumn
from helicline.tables.sql_text import literal

MISSING = ("NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "none")
SAMPLE_ROWS = 2000
NEAR_SHARE = 0.9  # of values that are numbers: then it is said why the column is text

_INTEGER = "[+-]?(0|[1-9][0-9]{0,17})"
_NUMBER = r"[+-]?((0|[1-9][0-9]{0,17})(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"
_COMMA = r"[+-]?(0|[1-9][0-9]{0,17})(,[0-9]+)?"
_THOUSANDS = r"[+-]?(0|[1-9][0-9]{0,2}(,[0-9]{3})*)"
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = _DATE + r"[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?"
DATE_FORMATS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y")
TIME_FORMATS = tuple(f"{date} {time}" for date in DATE_FORMATS for time in ("%H:%M", "%H:%M:%S"))


class Form(NamedTuple):
    """A way to read a column's text: the type, its form, what text has it, and the value of a text."""

    type: str
    form: str
    test: str
    value: str

    def test_of(self, source: str) -> str:
        """Return the condition that the text of a column has this form."""
        return self.test.replace("{0}", source)

    def value_of(self, source: str) -> str:
        """Return the value of the text."""
        return self.value.replace("{0}", source)


def _matching(pattern: str) -> str:
    return f"regexp_full_match({{0}}, {literal(pattern)})"


def _by_format(type_name: str, form: str) -> Form:
    parsed = f"try_strptime({{0}}, {literal(form)})"
    return Form(type_name, form, f"{parsed} IS NOT NULL", f"CAST({parsed} AS {type_name})")


_OFFSET_TEST = _matching(_TIME + "(Z|[+-][0-9]{2}(:?[0-9]{2})?)")
FORMS = (
    Form("BOOLEAN", "", "lower({0}) IN ('true', 'false')", "CAST({0} AS BOOLEAN)"),
    Form("BIGINT", "", _matching(_INTEGER), "CAST({0} AS BIGINT)"),
    Form("DOUBLE", "", _matching(_NUMBER), "CAST({0} AS DOUBLE)"),
    Form("DOUBLE", "decimal comma", _matching(_COMMA), "CAST(replace({0}, ',', '.') AS DOUBLE)"),
    Form("DATE", "", f"{_matching(_DATE)} AND TRY_CAST({{0}} AS DATE) IS NOT NULL", "CAST({0} AS DATE)"),
    Form("TIMESTAMP", "", f"{_matching(_TIME)} AND TRY_CAST({{0}} AS TIMESTAMP) IS NOT NULL", "CAST({0} AS TIMESTAMP)"),
    Form(
        "TIMESTAMP",
        "offset",
        f"{_OFFSET_TEST} AND TRY_CAST({{0}} AS TIMESTAMPTZ) IS NOT NULL",
        "CAST({0} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'",
    ),
    *(_by_format("DATE", form) for form in DATE_FORMATS),
    *(_by_format("TIMESTAMP", form) for form in TIME_FORMATS),
)
BY_NAME = {(form.type, form.form): form for form in FORMS}
_NAMELESS = f"({', '.join(map(literal, MISSING))})"
DAY_OR_MONTH = {"%d/%m/%Y": "%m/%d/%Y", "%d-%m-%Y": "%m-%d-%Y"}


def value_of(column: TableColumn, source: str, kind: str) -> str:
    """Return the SQL of a column's value, of a text `source`, in the table's type."""
    if not column.type:
        return source if kind == "VARCHAR" else f"CAST(NULL AS {kind})"
    if column.type == "VARCHAR":
        return source
    present = f"CASE WHEN {source} IN {_NAMELESS} THEN NULL ELSE {source} END"
    value = BY_NAME[column.type, column.form].value_of(f"({present})")
    return value if column.type == kind else f"CAST({value} AS {kind})"


def columns_of(session: Any, scan: str, names: tuple[str, ...]) -> tuple[int, list[TableColumn], list[str]]:
    """Return the number of rows, the columns, and what is to be said of them; `scan` reads all as text, c0, c1, ...

    A sample rules most types out; what remains is tested on every value.
    """
    sources = [f"c{at}" for at in range(len(names))]
    sample = f"(SELECT * FROM {scan} LIMIT {SAMPLE_ROWS})"
    _, counts = _count(session, sample, {source: list(FORMS) for source in sources})
    likely = {source: [form for form in FORMS if _is_near(counts[source], form)] for source in sources}
    row_count, counts = _count(session, f"{scan}", likely)
    columns, notes = [], []
    for name, source in zip(names, sources, strict=True):
        column, note = _decide(name, counts[source], likely[source])
        columns.append(column)
        notes += [note] if note else []
        if note and column.type == "VARCHAR" and (BY_NAME["DOUBLE", ""] in likely[source]):
            notes[-1] += _example(session, scan, source)
    return row_count, columns, notes


Counts = dict[Any, int]  # of one column: values (""), words for missing ("missing"), and values of each form


def _is_near(counts: Counts, form: Form) -> bool:
    value_count = counts[""] - counts["missing"]
    share = NEAR_SHARE if form.type in ("BIGINT", "DOUBLE") else 1.0
    return value_count == 0 or counts[form] >= share * value_count


def _count(session: Any, scan: str, forms: dict[str, list[Form]]) -> tuple[int, dict[str, Counts]]:
    """Return the number of rows, and for each column how many values have each of its forms."""
    keys: list[tuple[str, Any]] = []
    parts: list[str] = []
    for source, candidates in forms.items():
        keys += [(source, ""), (source, "missing")]
        parts += [f"count({source})", f"count_if({source} IN {_NAMELESS})"]
        for form in candidates:
            keys.append((source, form))
            parts.append(f"count_if({source} NOT IN {_NAMELESS} AND {form.test_of(source)})")
        keys.append((source, "thousands"))
        thousands = _matching(_THOUSANDS).replace("{0}", source)
        parts.append(f"count_if({thousands})" if _has_comma(candidates) else "0")
    (row,) = session.execute(f"SELECT count(*), {', '.join(parts)} FROM {scan}").fetchall()
    counts: dict[str, Counts] = {source: {} for source in forms}
    for (source, key), value in zip(keys, row[1:], strict=True):
        counts[source][key] = int(value or 0)
    return int(row[0]), counts


def _has_comma(forms: list[Form]) -> bool:
    return any(form.form == "decimal comma" for form in forms)


def _decide(name: str, counts: Counts, likely: list[Form]) -> tuple[TableColumn, str]:
    """Return the column, and what is to be said where its text could be read in two ways or in nearly one."""
    value_count = counts[""] - counts["missing"]
    if value_count == 0:
        return TableColumn(name=name, type=""), ""
    text = TableColumn(name=name, type="VARCHAR")
    fitting = [form for form in likely if counts[form] == value_count]
    if not fitting:
        near = max((counts[form] for form in likely), default=0)
        why = f"{name} is text: {value_count - near:,} of {value_count:,} values are no numbers" if near else ""
        return text, why
    first = fitting[0]
    if first.form == "decimal comma" and counts["thousands"] == value_count:
        return text, f"{name} is text: its commas may divide thousands or fractions"
    if first.form.split(" ")[0] in DAY_OR_MONTH:
        swapped = first.form.replace("%d", "%_").replace("%m", "%d").replace("%_", "%m")
        if any(form.form == swapped for form in fitting):
            return text, f"{name} is text: it may be {first.form} or {swapped}, write dates as 2026-03-01"
    return TableColumn(name=name, type=first.type, form=first.form), ""


def _example(session: Any, scan: str, source: str) -> str:
    """Return the first value that is no number, and its row."""
    rows = f"(SELECT {source} AS value, row_number() OVER () AS row FROM {scan})"
    test = BY_NAME["DOUBLE", ""].test_of("value")
    example = session.execute(f"SELECT value, row FROM {rows} WHERE value NOT IN {_NAMELESS} AND NOT ({test}) LIMIT 1")
    ((value, row),) = example.fetchall()
    return f", like {value[:40]!r} in row {row}"
