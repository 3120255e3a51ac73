"""Fixtures of the gateway's tests: a gateway of the test's own, and a client of the shared gateway."""

import pytest

from support import gateway_harness


@pytest.fixture
def client(shared_harness):
    return shared_harness.client


@pytest.fixture(name="harness")
def own_harness(tmp_path):
    """A gateway of the test's own."""
    own = gateway_harness.GatewayHarness(tmp_path)
    yield own
    own.close()
