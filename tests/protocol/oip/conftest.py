"""Whom the tests here ask."""

import pytest


@pytest.fixture
def client(shared_harness):
    return shared_harness.client
