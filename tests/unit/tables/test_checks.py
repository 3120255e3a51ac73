"""The checks of a contract: what passes, what fails with which rows, and what cannot run."""

from datetime import UTC, datetime

import duckdb
import pytest

import helicline as hl
from helicline.tables.checks import run_checks
from helicline.tables.inference import infer

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
ROWS = [
    (1, "basic", 10.0, "2026-03-01"),
    (2, "plus", 20.0, "2026-03-02"),
    (3, None, 30.0, "2026-03-02"),
    (4, "pro", float("nan"), None),
]


def session_of(rows=ROWS, before=None):
    session = duckdb.connect(":memory:")
    for view, content in (("data", rows), ("before", before or rows)):
        session.execute(f"CREATE TABLE {view} (id BIGINT, plan VARCHAR, amount DOUBLE, day DATE)")
        if content:
            session.executemany(f"INSERT INTO {view} VALUES (?, ?, ?, ?)", content)
    return session


def results(table=ROWS, before=None, **contract):
    spec = hl.contract("customers", **contract)
    checks = run_checks(session_of(table, before), spec, has_before=before is not None, now=NOW)
    return {result.check: result for result in checks}


PASSING = [
    ({"columns": {"id": "BIGINT", "plan": "text", "day": "times"}}, "schema"),
    ({"nulls": {"plan": 0.25}}, "nulls plan"),
    ({"ranges": {"id": (1, 4)}}, "range id"),
    ({"ranges": {"day": ("2026-01-01", None)}}, "range day"),
    ({"allowed": {"plan": ["basic", "plus", "pro"]}}, "allowed plan"),
    ({"unique": ["id"]}, "unique id"),
    ({"unique": [["id", "plan"]]}, "unique id, plan"),
    ({"rows": (4, 4)}, "rows"),
    ({"rows_change": 0.1}, "rows_change"),
    ({"fresh": {"day": "2d"}}, "fresh day"),
    ({"sql": {"paid": "SELECT * FROM data WHERE amount < 0;"}}, "sql paid"),
]


@pytest.mark.parametrize(("contract", "check"), PASSING)
def test_a_table_that_keeps_its_contract_passes_with_what_was_seen(contract, check):
    result = results(**contract)[check]
    assert (result.outcome, result.sample) == ("pass", ())
    assert result.detail


@pytest.mark.parametrize(
    ("contract", "check", "detail", "sample"),
    [
        ({"columns": ["age"]}, "schema", "no column age", None),
        ({"columns": {"amount": "text"}}, "schema", "amount is DOUBLE, not text", None),
        ({"columns": {"id": ""}, "schema": "exact"}, "schema", "a column plan more", None),
        ({"nulls": {"plan": 0.2}}, "nulls plan", "1 of 4 rows missing, at most 20.00% may be", "3"),
        ({"ranges": {"id": (2, None)}}, "range id", "1 of 4 rows outside of 2 to", "1"),
        ({"ranges": {"amount": (0, 100)}}, "range amount", "1 of 4 rows", "4"),
        ({"allowed": {"plan": ["basic", "pro"]}}, "allowed plan", "1 of 4 rows other values", "2"),
        ({"rows": (5, None)}, "rows", "4 rows, 5 to any number are allowed", None),
        ({"fresh": {"day": "1d"}}, "fresh day", "1.5 days old", None),
        ({"sql": {"plus": "SELECT id FROM data WHERE plan = 'plus'"}}, "sql plus", "1 rows, none is allowed", "2"),
    ],
)
def test_what_breaks_a_contract_fails_and_shows_some_of_the_rows(contract, check, detail, sample):
    result = results(**contract)[check]
    assert (result.outcome, detail in result.detail) == ("fail", True), result.detail
    assert [row["id"] for row in result.sample] == ([sample] if sample else [])


def test_repeated_keys_are_shown_with_their_number_of_rows():
    result = results([*ROWS, ROWS[0]], unique=["id"])["unique id"]
    assert (result.outcome, result.sample) == ("fail", ({"id": "1", "rows": "2"},))


@pytest.mark.parametrize(
    ("contract", "check"),
    [
        ({"sql": {"broken": "SELECT * FROM nowhere"}}, "sql broken"),
        ({"sql": {"two": "SELECT 1; DROP TABLE data"}}, "sql two"),
        ({"ranges": {"plan": (0, 5)}}, "range plan"),
        ({"unique": ["nothing"]}, "unique nothing"),
        ({"fresh": {"plan": "1d"}}, "fresh plan"),
    ],
)
def test_a_check_that_cannot_run_is_an_error_and_no_pass_and_stops_no_other(contract, check):
    both = results(nulls={"id": 0}, **contract)
    assert both[check].outcome == "error"
    assert both[check].detail.startswith("it cannot run: ")
    assert both["nulls id"].outcome == "pass"


def test_a_version_is_compared_with_the_one_before():
    other = {"schema": "inferred", "rows_change": 0.5}
    assert {check: result.outcome for check, result in results(ROWS[:1], ROWS, **other).items()} == {
        "schema": "pass", "rows_change": "fail",
    }  # fmt: skip
    session = session_of(before=ROWS)
    session.execute("ALTER TABLE before ADD COLUMN extra BIGINT; ALTER TABLE data ALTER amount TYPE VARCHAR")
    (schema, _) = run_checks(session, hl.contract("customers", **other), has_before=True, now=NOW)
    assert schema.detail == "no column extra; amount is VARCHAR, was DOUBLE"


def test_the_first_version_has_nothing_to_be_compared_with():
    first = results(schema="inferred", rows_change=0.0)
    assert {result.outcome for result in first.values()} == {"pass"}


def test_what_is_inferred_from_a_table_is_kept_by_it_and_broken_by_another():
    rows = [(at, ("basic", "plus")[at % 2], at * 0.5, "2026-03-01") for at in range(200)]
    spec = infer(session_of(rows), "customers")
    assert spec.unique == (("id",),)
    assert {column.name: column.allowed for column in spec.columns}["plan"] == ("basic", "plus")
    assert {result.outcome for result in run_checks(session_of(rows), spec, has_before=False, now=NOW)} == {"pass"}
    broken = [*rows, (1, "gold", 1e6, None)]
    failed = {r.check for r in run_checks(session_of(broken), spec, has_before=False, now=NOW) if r.outcome != "pass"}
    assert failed == {"allowed plan", "range amount", "nulls day", "unique id"}
