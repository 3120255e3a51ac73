"""Whom the tests here ask."""

import pytest


@pytest.fixture
def client(served):
    return served.client
