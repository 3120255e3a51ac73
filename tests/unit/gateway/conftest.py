"""Puts the gateway's stand in reach of the tests here."""

import pytest

import stand


@pytest.fixture
def client(served):
    return served.client


@pytest.fixture(name="stand")
def own_stand(tmp_path):
    """A gateway of the test's own."""
    made = stand.Stand(tmp_path)
    yield made
    made.close()
