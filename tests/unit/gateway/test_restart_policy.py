import pytest

from helicline.gateway.fleet.restart_policy import RestartPolicy


@pytest.fixture
def policy():
    return RestartPolicy(probe_s=30.0)


def test_a_revision_that_serves_is_loaded_again_without_end_and_ever_less_often(policy):
    decisions = [policy.load_failed("killed", serves=True) for _ in range(100)]
    assert {(d.state, d.reason) for d in decisions} == {("FAILED", "killed")}
    pauses = [d.pause_s for d in decisions]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.2, 30.0)


def test_a_candidate_is_loaded_three_times(policy):
    decisions = [policy.load_failed("no such column", serves=False) for _ in range(3)]
    assert [d.state for d in decisions] == ["PENDING", "PENDING", "FAILED"]
    assert decisions[0].reason == "load 1 of 3 failed: no such column"
    assert decisions[2].reason == "3 loads failed; the last: no such column"
    assert decisions[2].pause_s is None


def test_a_load_that_succeeds_ends_the_count_of_failed_ones(policy):
    policy.load_failed("killed", serves=False)
    policy.load_failed("killed", serves=False)
    policy.loaded()
    assert policy.load_failed("killed", serves=False).pause_s is not None


def crash(policy, times, *, serves, begin=0.0):
    return [policy.crashed(f"crash {n}", now=begin + n, serves=serves) for n in range(times)]


def test_five_crashes_quarantine_and_what_serves_is_probed_again(policy):
    *first, last = crash(policy, 5, serves=True)
    assert {d.state for d in first} == {"PENDING"}
    assert (last.state, last.pause_s) == ("QUARANTINED", 30.0)
    assert "5 crashes in 10 minutes; the last: crash 4" in last.reason
    assert policy.crashed("again", now=6.0, serves=True).pause_s == 60.0


def test_a_candidate_in_quarantine_stays_there(policy):
    assert crash(policy, 5, serves=False)[-1].pause_s is None


def test_crashes_of_long_ago_do_not_count(policy):
    crash(policy, 4, serves=True)
    assert policy.crashed("much later", now=1000.0, serves=True).state == "PENDING"
