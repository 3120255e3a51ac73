"""Two versions of a table beside each other: by columns, by what is in them, by rows."""

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helicline.errors import Invalid
from helicline.tables import compare


@pytest.fixture
def session():
    with duckdb.connect(":memory:") as opened:
        yield opened


def views(session, before, after):
    session.execute(f"CREATE OR REPLACE VIEW before AS {before}")
    session.execute(f"CREATE OR REPLACE VIEW after AS {after}")


COLUMNS = 'AS t(id, "the ""name""", amount)'
PEOPLE = f"SELECT * FROM (VALUES (1, 'Ada', 3.0), (2, 'Bob', NULL), (3, 'Cy', 5.0)) {COLUMNS}"
LATER = f"SELECT * FROM (VALUES (1, 'Ada', 3.0), (2, 'Bob', 7.0), (4, 'Di', 1.0)) {COLUMNS}"


def test_the_columns_that_differ_are_named(session):
    views(session, "SELECT 1 AS a, 'x' AS b, 2 AS c", "SELECT 1.5::DOUBLE AS a, 'x' AS b, 3 AS d")
    assert [(change.column, change.before, change.after) for change in compare.schema(session)] == [
        ("a", "INTEGER", "DOUBLE"),
        ("c", "INTEGER", ""),
        ("d", "", "INTEGER"),
    ]


def test_what_is_in_the_columns_is_measured_on_both_sides(session):
    views(session, PEOPLE, LATER)
    changes = {change.column: change for change in compare.stats(session)}
    assert list(changes) == ["id", 'the "name"', "amount"]
    assert (changes["amount"].before.missing, changes["amount"].after.missing) == (pytest.approx(1 / 3), 0.0)
    assert (changes["amount"].before.mean, changes["amount"].after.mean) == (4.0, pytest.approx(11 / 3))
    assert changes['the "name"'].before.mean is None
    assert (changes["id"].before.low, changes["id"].after.high) == ("1", "4")


def test_by_a_key_changed_rows_are_told_from_new_ones(session):
    views(session, PEOPLE, LATER)
    changes = compare.rows(session, ["id"])
    assert (changes.row_count, changes.added, changes.removed, changes.changed) == ((3, 3), 1, 1, 1)
    (cell,) = changes.cells
    assert (cell.key, cell.column, cell.before, cell.after) == ({"id": "2"}, "amount", None, "7.0")
    assert changes.added_rows[0]["id"] == "4"


def test_without_a_key_rows_are_a_bag(session):
    views(session, "SELECT 1 AS x UNION ALL SELECT 1 UNION ALL SELECT 2", "SELECT 1 AS x UNION ALL SELECT 3")
    changes = compare.rows(session)
    assert (changes.added, changes.removed, changes.changed) == (1, 2, 0)


def test_columns_of_one_version_are_said_not_to_be_compared(session):
    views(session, "SELECT 1 AS id, 2 AS old", "SELECT 1 AS id, 3 AS new")
    changes = compare.rows(session, ["id"])
    assert (changes.changed, changes.not_compared) == (0, ("old", "new"))


@pytest.mark.parametrize(
    ("before", "key", "words"),
    [
        ("SELECT 1 AS id UNION ALL SELECT 1", ["id"], "1 keys of several rows in the older version, like id=1"),
        ("SELECT 1 AS id", ["nobody"], "columns of both versions: id"),
    ],
)
def test_a_key_that_names_no_row_is_refused(session, before, key, words):
    views(session, before, "SELECT 1 AS id")
    with pytest.raises(Invalid) as error:
        compare.rows(session, key)
    assert words in str(error.value)


TABLES = st.dictionaries(st.integers(0, 30), st.one_of(st.none(), st.integers(0, 3)), max_size=20)


@settings(deadline=None, max_examples=60)
@given(before=TABLES, after=TABLES)
def test_the_counts_are_those_of_the_definition(before, after):
    with duckdb.connect(":memory:") as session:
        for view, content in (("before", before), ("after", after)):
            session.execute(f"CREATE TABLE {view} (id INTEGER, x INTEGER)")
            for key, value in content.items():
                session.execute(f"INSERT INTO {view} VALUES (?, ?)", [key, value])
        changes = compare.rows(session, ["id"])
    both = before.keys() & after.keys()
    assert changes.added == len(after.keys() - before.keys())
    assert changes.removed == len(before.keys() - after.keys())
    assert changes.changed == sum(before[key] != after[key] for key in both)
