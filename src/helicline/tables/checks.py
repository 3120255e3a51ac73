"""Checks of a table by a contract, in a DuckDB session where it is the view `data` and the version before `before`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from helicline.records.contract import CheckOutcome, CheckResult, ColumnRule, ContractSpec
from helicline.tables.sql_text import identifier, literal
from helicline.tables.union import family_of

SAMPLED, MOST_CHARACTERS, MOST_COLUMNS = 5, 120, 30
Columns = Sequence[tuple[str, str]]


class RowRule(msgspec.Struct, frozen=True):
    """A condition that marks rows as bad; the share of bad rows must not be over `limit`."""

    check: str
    bad: str
    what: str
    limit: float = 0.0


def run_checks(session: Any, spec: ContractSpec, *, has_before: bool, now: datetime) -> list[CheckResult]:
    """Return what each check of a contract gives; one that cannot run is an error."""
    columns = _columns(session, "data")
    before = _columns(session, "before") if has_before else []
    results = _schema(spec, columns, before, has_before=has_before)
    present = {name for name, _ in columns}
    (row_count,) = _row(session, "SELECT count(*) FROM data")
    rules = [rule for column in spec.columns if column.name in present for rule in _rules(column)]
    results += _by_row(session, rules, row_count)
    results += [_run(f"unique {', '.join(key)}", lambda key=key: _unique(session, key)) for key in spec.unique]  # type: ignore[misc]
    results += _row_counts(session, spec, row_count, has_before=has_before)
    results += [
        _run(f"fresh {name}", lambda name=name, age_s=age_s: _fresh(session, name, age_s, now=now))  # type: ignore[misc]
        for name, age_s in spec.fresh.items()
    ]
    results += [_run(f"sql {name}", lambda query=query: _query(session, query)) for name, query in spec.sql.items()]  # type: ignore[misc]
    return results


def _run(check: str, measure: Callable[[], tuple[CheckOutcome, str, tuple[dict[str, str], ...]]]) -> CheckResult:
    """Return the result of one check. Whatever keeps it from running is an error of the check."""
    try:
        outcome, detail, sample = measure()
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()][:2]
        return CheckResult(check=check, outcome="error", detail=f"it cannot run: {' '.join(lines)[:400]}")
    return CheckResult(check=check, outcome=outcome, detail=detail, sample=sample)


def _row(session: Any, query: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] = session.execute(query).fetchall()[0]
    return row


def _columns(session: Any, view: str) -> list[tuple[str, str]]:
    return [(name, kind) for name, kind, *_ in session.execute(f"DESCRIBE SELECT * FROM {view}").fetchall()]


def _schema(spec: ContractSpec, columns: Columns, before: Columns, *, has_before: bool) -> list[CheckResult]:
    """Check columns and types: those that the contract names, and those of the version before."""
    own = dict(columns)
    problems = [f"no column {rule.name}" for rule in spec.columns if rule.name not in own]
    problems += [
        f"{rule.name} is {own[rule.name]}, not {rule.type}"
        for rule in spec.columns
        if rule.name in own and rule.type and rule.type not in (own[rule.name], family_of(own[rule.name]))
    ]
    if spec.schema == "exact":
        names = {rule.name for rule in spec.columns}
        problems += [f"a column {name} more" for name in own if name not in names]
    if spec.schema == "inferred" and has_before:
        problems += [f"no column {name}" for name, _ in before if name not in own]
        problems += [f"a column {name} more" for name in own if name not in dict(before)]
        problems += [
            f"{name} is {own[name]}, was {kind}"
            for name, kind in before
            if name in own and family_of(own[name]) != family_of(kind)
        ]
    if not problems and not spec.columns and not spec.schema:
        return []
    detail = "; ".join(dict.fromkeys(problems)) or f"{len(columns)} columns as they should be"
    return [CheckResult(check="schema", outcome="fail" if problems else "pass", detail=detail)]


def _rules(column: ColumnRule) -> list[RowRule]:
    name = identifier(column.name)
    rules = []
    if column.nulls is not None:
        rules.append(RowRule(f"nulls {column.name}", f"{name} IS NULL", "missing", column.nulls))
    if column.low is not None or column.high is not None:
        low = f"{name} < {_value(column.low)}" if column.low is not None else ""
        high = f"{name} > {_value(column.high)}" if column.high is not None else ""
        limits = (
            f"outside of {'' if column.low is None else column.low} to {'' if column.high is None else column.high}"
        )
        # a number that is none (NaN) is greater than every number, and in no range
        rules.append(RowRule(f"range {column.name}", " OR ".join(filter(None, (low, high))), limits))
    if column.allowed:
        values = ", ".join(_value(value) for value in column.allowed)
        rules.append(
            RowRule(f"allowed {column.name}", f"{name} IS NOT NULL AND {name} NOT IN ({values})", "other values")
        )
    return rules


def _value(value: Any) -> str:
    return literal(value) if isinstance(value, str) else str(value)


def _by_row(session: Any, rules: Sequence[RowRule], row_count: int) -> list[CheckResult]:
    """Count the bad rows of all rules in one pass; where that cannot run, one rule after another tells which."""
    if not rules:
        return []
    try:
        counts = _row(session, f"SELECT {', '.join(f'count_if({rule.bad})' for rule in rules)} FROM data")
    except Exception:
        return [_run(rule.check, lambda rule=rule: _counted(session, rule, row_count)) for rule in rules]  # type: ignore[misc]
    return [
        _run(rule.check, lambda rule=rule, count=count: _counted(session, rule, row_count, count=int(count or 0)))  # type: ignore[misc]
        for rule, count in zip(rules, counts, strict=True)
    ]


def _counted(
    session: Any, rule: RowRule, row_count: int, *, count: int | None = None
) -> tuple[CheckOutcome, str, tuple[dict[str, str], ...]]:
    if count is None:
        count = int(_row(session, f"SELECT count_if({rule.bad}) FROM data")[0] or 0)
    allowed = f", at most {rule.limit:.2%} may be" if rule.limit else ""
    detail = f"{count:,} of {row_count:,} rows {rule.what}{allowed}"
    if count <= rule.limit * row_count:
        return "pass", detail, ()
    return "fail", detail, sampled(session, f"SELECT * FROM data WHERE {rule.bad}")


def sampled(session: Any, query: str) -> tuple[dict[str, str], ...]:
    """Return a few rows of a query, as text by column."""
    rows = session.execute(f"SELECT * FROM ({query}) LIMIT {SAMPLED}")
    names = [column[0] for column in rows.description][:MOST_COLUMNS]
    return tuple(
        {name: "" if value is None else str(value)[:MOST_CHARACTERS] for name, value in zip(names, row, strict=False)}
        for row in rows.fetchall()
    )


def _unique(session: Any, key: tuple[str, ...]) -> tuple[CheckOutcome, str, tuple[dict[str, str], ...]]:
    names = ", ".join(map(identifier, key))
    repeated = f'SELECT {names}, count(*) AS "rows" FROM data GROUP BY {names} HAVING count(*) > 1'
    (count,) = _row(session, f"SELECT count(*) FROM ({repeated})")
    detail = f"{count:,} value{'s repeat' if count != 1 else ' repeats'}"
    return ("fail", detail, sampled(session, repeated)) if count else ("pass", detail, ())


def _row_counts(session: Any, spec: ContractSpec, row_count: int, *, has_before: bool) -> list[CheckResult]:
    results = []
    if spec.min_rows is not None or spec.max_rows is not None:
        low, high = spec.min_rows or 0, spec.max_rows
        is_within = row_count >= low and (high is None or row_count <= high)
        limits = f"{low:,} to {'any number' if high is None else f'{high:,}'}"
        detail = f"{row_count:,} rows, {limits} are allowed"
        results.append(CheckResult(check="rows", outcome="pass" if is_within else "fail", detail=detail))
    if spec.rows_change is not None:
        results.append(_run("rows_change", lambda: _rows_change(session, spec, row_count, has_before=has_before)))
    return results


def _rows_change(
    session: Any, spec: ContractSpec, row_count: int, *, has_before: bool
) -> tuple[CheckOutcome, str, tuple[dict[str, str], ...]]:
    if not has_before:
        return "pass", "there is no version before", ()
    (old,) = _row(session, "SELECT count(*) FROM before")
    change = abs(row_count - old) / old if old else float(row_count > 0)
    is_within = change <= (spec.rows_change or 0.0)
    detail = f"{row_count:,} rows after {old:,}: {change:.1%}, at most {spec.rows_change or 0.0:.1%} are allowed"
    return "pass" if is_within else "fail", detail, ()


def _fresh(
    session: Any, name: str, age_s: float, *, now: datetime
) -> tuple[CheckOutcome, str, tuple[dict[str, str], ...]]:
    newest, age = _row(
        session,
        f"SELECT max({identifier(name)}), epoch(TIMESTAMP {literal(f'{now:%Y-%m-%d %H:%M:%S}')})"
        f" - epoch(max(CAST({identifier(name)} AS TIMESTAMP))) FROM data",
    )
    if newest is None:
        return "fail", f"{name} has no value", ()
    detail = f"the newest {name} is {newest}, {age / 86400:.1f} days old; at most {age_s / 86400:.1f} are allowed"
    return "pass" if age <= age_s else "fail", detail, ()


def _query(session: Any, query: str) -> tuple[CheckOutcome, str, tuple[dict[str, str], ...]]:
    inner = query.strip().rstrip(";")
    (count,) = _row(session, f"SELECT count(*) FROM ({inner}\n)")
    detail = f"{count:,} rows, none is allowed"
    return ("fail", detail, sampled(session, inner)) if count else ("pass", detail, ())
