"""When nothing more can be kept, the client is told so, and nothing is acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from helicline import tracking
from helicline.errors import Bug, NotFound, Refused, StorageFull, Unauthenticated, Unavailable
from helicline.protocol.mlflow.app import MlflowApp
from helicline.protocol.mlflow.errors import as_wire
from helicline.protocol.mlflow.routes import ROUTES
from helicline.records.access import ROLES
from helicline.settings import Settings
from helicline.store.blobs import LocalBlobs
from helicline.store.database import Store


class FullBlobs(LocalBlobs):
    """A disk on which nothing fits."""

    def put(self, chunks: Iterable[bytes], *, limit: int | None = None) -> tuple[str, int]:
        for _ in chunks:
            pass
        raise StorageFull("the blob store", "no space left")


def call(app: MlflowApp, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    sent: list[dict] = []

    async def receive() -> dict:
        return {"type": "http.request", "body": body}

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": []}
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def test_an_upload_to_a_full_disk_is_not_acknowledged(store: Store, tmp_path: Path):
    app = MlflowApp(store, FullBlobs(tmp_path / "full"), Settings())
    status, body = call(app, "PUT", "/api/2.0/mlflow-artifacts/artifacts/0/x", b"bytes")
    assert (status, msgspec.json.decode(body)["error_code"]) == (507, "RESOURCE_EXHAUSTED")
    with pytest.raises(NotFound):
        store.read(lambda tx: tracking.get_artifact(tx, "0/x"))


def test_the_wire_works_on_either_database(store: Store, blobs: LocalBlobs):
    app = MlflowApp(store, blobs, Settings())
    assert call(app, "PUT", "/api/2.0/mlflow-artifacts/artifacts/0/x", b"bytes")[0] == 200
    assert call(app, "GET", "/api/2.0/mlflow-artifacts/artifacts/0/x") == (200, b"bytes")
    created = call(app, "POST", "/api/2.0/mlflow/runs/create", b'{"tags": [{"key": "a", "value": "b"}]}')
    run_id = msgspec.json.decode(created[1])["run"]["info"]["run_id"]
    answer = call(app, "POST", "/api/2.0/mlflow/runs/search", b'{"experiment_ids": ["0"], "filter": "tags.a = \'b\'"}')
    assert [run["info"]["run_id"] for run in msgspec.json.decode(answer[1])["runs"]] == [run_id]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StorageFull("x", "y"), 507, "RESOURCE_EXHAUSTED"),
        (Unavailable("x", "y"), 503, "TEMPORARILY_UNAVAILABLE"),
        (Refused("x", "y"), 403, "PERMISSION_DENIED"),
        (Unauthenticated("x", "y"), 401, "UNAUTHENTICATED"),
        (Bug("x"), 500, "INTERNAL_ERROR"),
        (KeyError("secret"), 500, "INTERNAL_ERROR"),
    ],
)
def test_every_kind_of_error_has_its_place_on_the_wire(error: Exception, status: int, code: str):
    wire_status, body = as_wire(error)
    assert (wire_status, msgspec.json.decode(body)["error_code"]) == (status, code)
    assert b"secret" not in body


def test_every_route_asks_for_a_permission_that_some_role_has():
    granted = frozenset().union(*ROLES.values())
    assert {permission for _, _, permission, _ in ROUTES} <= granted
    assert len({(method, path) for method, path, _, _ in ROUTES}) == len(ROUTES)


def test_only_paths_of_this_wire_are_claimed(store: Store, blobs: LocalBlobs):
    app = MlflowApp(store, blobs, Settings())
    assert app.handles("/api/2.0/mlflow/nope")
    assert app.handles("/v1/traces")
    assert not app.handles("/api/v1/runs")
    assert not app.handles("/")
