"""Records by their keys, on both databases."""

import pytest

from helicline.records.lease import Lease
from helicline.store import nouns
from support.records import NOW


def lease(name):
    return Lease(name=name, holder="a", fence=1, until=NOW)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 9, 200])
def test_many_keys_are_found_at_once(store, count):
    store.write(lambda tx: nouns.LEASES.insert_new(tx, [lease(f"'{n}\"") for n in range(count)]))
    keys = [(f"'{n}\"",) for n in range(count)] + [("missing",), ("'0\"",)]
    assert store.read(lambda tx: nouns.LEASES.find_many(tx, keys)) == {
        (f"'{n}\"",): lease(f"'{n}\"") for n in range(count)
    }
    assert store.read(lambda tx: nouns.LEASES.find_many(tx, [])) == {}


def test_keys_of_several_columns_are_matched_whole(store):
    """A text and a number, which PostgreSQL would not compare without their types."""
    revisions = store.read(lambda tx: nouns.REVISIONS.find_many(tx, [("churn", 1), ("churn", 2)]))
    assert revisions == {}


def test_the_form_of_the_statement_is_made_once_for_all_keys_of_about_that_number():
    assert nouns.REVISIONS._find_of(4) is nouns.REVISIONS._find_of(4)
