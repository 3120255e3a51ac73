"""What two servers of one database must share."""

import pytest

from helicline.clock import FakeClock
from helicline.loop.overview import needs, servers
from helicline.store.database import Store
from helicline.store.migrations import upgrade


@pytest.fixture
def store(database_url):
    store = Store(database_url, FakeClock())
    upgrade(store)
    yield store
    store.close()


def start(store, holder, home="h1", blobs="s3://one"):
    return store.write(lambda tx: servers.note_start(tx, holder, home=home, blobs=blobs))


def test_servers_that_share_all_have_nothing_said(store):
    assert start(store, "a") == []
    assert start(store, "b") == []


def test_a_server_with_another_home_or_other_blobs_is_said_at_start_and_needs_a_person(store):
    start(store, "a")
    apart = start(store, "b", home="h2", blobs="h2")
    assert ["HELICLINE_HOME" in sentence for sentence in apart] == [True, False]
    assert "HELICLINE_BLOBS" in apart[1]
    assert [need.sentence for need in store.read(needs.needs_of)] == apart


def test_a_server_that_has_stopped_or_moved_counts_no_more(store):
    start(store, "a")
    store.write(lambda tx: servers.note_stop(tx, "a"))
    assert start(store, "b", home="h2", blobs="h2") == []


def test_a_home_keeps_its_id(tmp_path):
    (tmp_path / "other").mkdir()
    assert servers.home_id(tmp_path) == servers.home_id(tmp_path)
    assert servers.home_id(tmp_path) != servers.home_id(tmp_path / "other")
