import pytest

from helicline.clock import FakeClock
from helicline.gateway.__main__ import default_name
from helicline.records.deployment import Observed, Revision, RevisionStatus, VariantCounts
from helicline.serving import deployments, gateways
from helicline.store import nouns
from helicline.store.database import Store
from helicline.store.rows import event as events


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def store(database_url, clock):
    from helicline.store.migrations import upgrade

    store = Store(database_url, clock)
    upgrade(store)
    store.write(
        lambda tx: nouns.REVISIONS.insert(
            tx, Revision(deployment="d", number=1, model="m", model_version=1, digest="x", created_at=tx.now)
        )
    )
    yield store
    store.close()


def report(store, gateway, state, reason="", session="s", requests=0):
    counts = VariantCounts(
        deployment="d", revision=1, rollout=0, stage=0, requests=requests, errors=0, slow=0, replayed=0
    )
    observed = Observed(
        gateway=gateway,
        session=session,
        pid=1,
        generation=1,
        address="",
        revisions=(RevisionStatus(deployment="d", revision=1, state=state, reason=reason),),
        counts=(counts,),
    )
    store.write(lambda tx: deployments.observe(tx, observed))


def state(store):
    revision = store.read(lambda tx: nouns.REVISIONS.get(tx, "d", 1))
    return revision.state, revision.reason


def event_count(store):
    return len(store.read(lambda tx: events.latest(tx, noun="revision", id="d#1")))


def test_two_gateways_do_not_fight_over_the_state_of_a_revision(store):
    report(store, "a", "READY")
    report(store, "b", "FAILED", "no memory")
    before = event_count(store)
    for _ in range(5):
        report(store, "a", "READY")
        report(store, "b", "FAILED", "no memory")
    assert event_count(store) == before
    assert state(store) == ("FAILED", "at gateway b: no memory")


def test_a_revision_is_ready_where_every_gateway_says_so(store):
    report(store, "a", "READY")
    report(store, "b", "LOADING")
    assert state(store)[0] == "LOADING"
    report(store, "b", "READY")
    assert state(store) == ("READY", "")


def test_a_gateway_that_is_silent_or_was_restarted_has_no_say_by_its_old_report(store, clock):
    report(store, "b", "FAILED", "no memory", session="old")
    clock.advance(1)
    report(store, "b", "READY", session="new")
    assert state(store)[0] == "READY"
    report(store, "a", "FAILED", "no disk")
    clock.advance(gateways.LIVE_S + 1)
    report(store, "b", "READY", session="new")
    assert state(store)[0] == "READY"


def test_counts_are_summed_over_gateways(store):
    report(store, "a", "READY", requests=3)
    report(store, "b", "READY", requests=4)
    (counts,) = store.read(lambda tx: gateways.summed_counts(gateways.counts_by_deployment(gateways.live(tx))["d"]))
    assert counts.requests == 7


def test_gateways_of_two_homes_have_two_names(tmp_path):
    assert default_name(tmp_path / "a") != default_name(tmp_path / "b")
    assert default_name(tmp_path / "a") == default_name(tmp_path / "a")
