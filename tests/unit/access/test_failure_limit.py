"""Failed credentials: ten a minute from one address, then none for a while."""

import pickle

import pytest

from helicline.access.failure_limit import MAX_FAILURES, FailureLimit
from helicline.errors import RateLimited


class Seconds:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def seconds():
    return Seconds()


@pytest.fixture
def limit(seconds):
    limited = FailureLimit(seconds)
    for _ in range(MAX_FAILURES):
        limited.check("10.0.0.7")
        limited.record("10.0.0.7")
        seconds.now += 1.0
    return limited


def test_the_eleventh_attempt_within_a_minute_is_refused_until_the_first_is_a_minute_old(limit, seconds):
    with pytest.raises(RateLimited) as refused:
        limit.check("10.0.0.7")
    assert refused.value.retry_after_s == 51
    seconds.now = 60.0
    limit.check("10.0.0.7")


def test_another_address_is_not_refused(limit):
    limit.check("10.0.0.8")


def test_the_addresses_of_one_ipv6_subscriber_count_together(limit):
    for number in range(MAX_FAILURES):
        limit.record(f"2001:db8:1:2::{number}")
    with pytest.raises(RateLimited):
        limit.check("2001:db8:1:2:ffff::1")
    limit.check("2001:db8:1:3::1")


def test_the_error_survives_pickle():
    error = pickle.loads(pickle.dumps(RateLimited("Authentication", "too often", 7, "Wait.")))
    assert (error.retry_after_s, error.hint) == (7, "Wait.")
