import pytest

from helicline.gateway.front.deadly_requests import REFUSED_S, DeadlyRequests


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def requests(clock):
    requests = DeadlyRequests(clock)
    requests.add("churn", 3, b"poison")
    return requests


def test_only_this_body_at_this_revision_is_refused(requests):
    assert "has ended the worker of revision 3 of 'churn' twice" in requests.refusal("churn", 3, b"poison")
    assert requests.refusal("churn", 3, b"bread") == ""
    assert requests.refusal("churn", 4, b"poison") == ""
    assert requests.refusal("other", 3, b"poison") == ""


def test_a_refusal_ends(requests, clock):
    clock.now = REFUSED_S + 1
    assert requests.refusal("churn", 3, b"poison") == ""


def test_the_oldest_is_forgotten_where_there_are_too_many(requests):
    for number in range(1000):
        requests.add("churn", 3, b"%d" % number)
    assert requests.refusal("churn", 3, b"poison") == ""
    assert requests.refusal("churn", 3, b"999") != ""
