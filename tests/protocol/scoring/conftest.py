"""Puts the gateway's stand in reach of the tests here."""

import pytest

import stand


@pytest.fixture(scope="session")
def served():
    """One gateway for all tests that do not disturb it."""
    return stand.shared()


@pytest.fixture
def client(served):
    return served.client
