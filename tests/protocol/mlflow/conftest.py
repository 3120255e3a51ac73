"""A live server of the MLflow wire alone, and the stock client pointed at it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

# read when mlflow is imported: a failing test must not retry for minutes, nor draw progress bars
os.environ |= {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false",
    "MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT": "1",
}

import httpx
import pytest

from support.compare_with_mlflow import ComparedServer
from support.mlflow_server import MlflowServer
from support.mlflow_wire_server import MlflowWireServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowWireServer]:
    running = MlflowWireServer(tmp_path_factory.mktemp("home"))
    yield running
    running.close()


@pytest.fixture
def http(server: MlflowWireServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.fixture
def client(server: MlflowWireServer):
    """The stock client."""
    import mlflow

    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    yield mlflow.MlflowClient(server.url)
    while mlflow.active_run() is not None:
        mlflow.end_run()


@pytest.fixture
def experiment(client, request: pytest.FixtureRequest) -> str:
    """The id of an experiment of this test alone."""
    return client.create_experiment(f"{request.node.name}-{time.time_ns()}")


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, postgres_database: str) -> Iterator[list[ComparedServer]]:
    """A stock server, and one of ours on each database."""
    home = tmp_path_factory.mktemp("stock")
    stock = MlflowServer(home)
    own_servers = [
        MlflowWireServer(tmp_path_factory.mktemp("lite")),
        MlflowWireServer(tmp_path_factory.mktemp("pg"), postgres_database),
    ]
    yield [ComparedServer(server.url) for server in (stock, *own_servers)]
    for server in own_servers:
        server.close()
    stock.close()
