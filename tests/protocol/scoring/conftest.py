"""Puts the gateway's stand in reach of the tests here."""

import importlib.util
import sys
from pathlib import Path

import pytest

_STAND = Path(__file__).resolve().parents[2] / "unit" / "gateway" / "stand.py"

if "gateway_stand" not in sys.modules:
    _spec = importlib.util.spec_from_file_location("gateway_stand", _STAND)
    sys.modules["gateway_stand"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["gateway_stand"])


@pytest.fixture(scope="session")
def served():
    """One gateway for all tests that do not disturb it."""
    return sys.modules["gateway_stand"].shared()


@pytest.fixture
def client(served):
    return served.client
