from hypothesis import given
from hypothesis import strategies as st

from helicline.records.deployment import Route, Variant
from helicline.serving.assignment import assign, key_hash, point


def route(*weights, salt="loop#1"):
    stable = Variant(revision=1, weight_bp=10_000 - sum(weights))
    candidates = [Variant(revision=number, weight_bp=weight) for number, weight in enumerate(weights, 2)]
    return Route(deployment="d", generation=1, stable=1, variants=(stable, *candidates), salt=salt)


@given(st.text(max_size=50), st.integers(0, 10_000), st.integers(0, 10_000), st.text(max_size=100))
def test_a_growing_weight_never_moves_a_key_back_to_stable(key, first_weight, second_weight, salt):
    low, high = sorted((first_weight, second_weight))
    if assign(key, route(low, salt=salt)) == 2:
        assert assign(key, route(high, salt=salt)) == 2


@given(st.text(max_size=50), st.integers(1, 4000), st.integers(1, 4000), st.integers(0, 2000))
def test_growing_one_of_two_candidates_takes_keys_from_the_other_only_for_itself(key, second, third, more):
    before, after = assign(key, route(second, third)), assign(key, route(second, third + more))
    # what stable gives up may go to either: its own weight shrinks by as much
    assert after in (before, 3) or before == 1


def test_the_share_of_a_candidate_is_its_weight():
    candidate_count = sum(assign(f"user-{n}", route(2500)) == 2 for n in range(20_000))
    assert 0.235 < candidate_count / 20_000 < 0.265


def test_a_new_salt_shuffles_the_keys():
    keys = [f"user-{n}" for n in range(2000)]
    first_salt, second_salt = ({k for k in keys if assign(k, route(5000, salt=s)) == 2} for s in ("a", "b"))
    assert 350 < len(first_salt & second_salt) < 650


def test_everybody_gets_stable_at_zero_and_the_candidate_at_ten_thousand():
    assert {assign(str(n), route(0)) for n in range(500)} == {1}
    assert {assign(str(n), route(10_000)) for n in range(500)} == {2}


def test_the_place_of_a_key_is_the_keyed_blake2b_of_it():
    from hashlib import blake2b

    assert point("k", "s") == int.from_bytes(blake2b(b"k", key=b"s", digest_size=8).digest(), "big") % 10_000


def test_the_log_keeps_a_salted_hash_and_not_the_place_or_the_key():
    assert key_hash("user-1", "a") != key_hash("user-1", "b")
    assert len(key_hash("user-1", "a")) == 16
