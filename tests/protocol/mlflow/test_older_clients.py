"""Older clients unchanged: the workflows that need nothing but the client itself; `make clients` tries all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.environments import CLIENTS, ClientVersion, results_of
from clients.workflows import WORKFLOWS
from support.mlflow_wire_server import MlflowWireServer


@pytest.fixture
def fresh(tmp_path: Path):
    running = MlflowWireServer(tmp_path)
    yield running
    running.close()


@pytest.mark.parametrize("client", [client for client in CLIENTS if client.is_brief], ids=lambda client: client.version)
def test_an_older_client_works_unchanged(fresh, client: ClientVersion):
    results = results_of(client, fresh.url, brief=True)
    failed = {name: result for name, result in results.items() if not result.startswith(("works", "needs", "since"))}
    assert failed == {}
    tried = {workflow.name for workflow in WORKFLOWS if not workflow.modules and workflow.since <= client.numbers}
    assert {name for name, result in results.items() if result == "works"} == tried
