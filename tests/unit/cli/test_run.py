"""`hl run FILE`: it begins a turn, or follows the one that a trigger of the same file began first."""

import pytest

from helicline.cli.loop import begun_or_first
from helicline.errors import Conflict
from helicline.loop import loops, turns
from helicline.records.loop import Cause
from helicline.sdk.client import Client
from helicline.store import nouns
from support.live_server import make_context, running_server
from support.records import commit, loop_spec

NEW_DATA = Cause(kind="new_data", subject="customers@main", sentence="new data came in")
NOTHING_SET = {"harvest": False, "params": {}}


@pytest.fixture
def context(tmp_path):
    opened = make_context(tmp_path)
    commit(opened.store, opened.blobs, b"rows")
    opened.store.write(lambda tx: loops.apply(tx, loop_spec()))
    return opened


@pytest.fixture
def client(context):
    with running_server(context) as server, Client(str(server.base_url)) as opened:
        yield opened


def begin(context, **change):
    def unit(tx):
        turn = turns.begin(tx, nouns.LOOPS.get(tx, "churn"), NEW_DATA)
        if change:
            nouns.TURNS.swap(tx, type(turn)(**{name: getattr(turn, name) for name in turn.__struct_fields__} | change))

    context.store.write(unit)


def test_the_turn_that_new_data_of_the_file_began_is_followed(context, client):
    begin(context)
    turn = begun_or_first(client, "churn", NOTHING_SET)
    assert (turn.number, turn.cause.kind) == (1, "new_data")


def test_a_turn_begins_where_none_is_under_way(client):
    assert begun_or_first(client, "churn", NOTHING_SET).cause.kind == "person"


def test_a_later_turn_that_is_under_way_may_be_of_other_code(context, client):
    begin(context, state="FAILED", wake_at=None)
    begin(context)
    with pytest.raises(Conflict):
        begun_or_first(client, "churn", NOTHING_SET)
