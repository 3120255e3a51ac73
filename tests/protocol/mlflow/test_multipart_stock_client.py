"""Large artifacts past the server, as the stock client sends and fetches them, to and from a real bucket."""

from __future__ import annotations

import filecmp
import os
from pathlib import Path

import httpx
import mlflow
import obstore
import pytest

from support.mlflow_wire_server import MlflowWireServer
from support.s3_bucket import bucket

PART = 5 << 20
MPU = "/api/2.0/mlflow-artifacts/mpu"


@pytest.fixture(scope="module")
def at_bucket(tmp_path_factory):
    with bucket() as url:
        running = MlflowWireServer(tmp_path_factory.mktemp("home"), blobs=url)
        yield running
        running.close()


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(PART))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(PART))
    monkeypatch.setenv("MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE", str(PART))


@pytest.fixture
def run_at(request, tmp_path):
    """A run on the given server, and a file of two and a bit parts."""

    def begin(server):
        mlflow.set_tracking_uri(server.url)
        client = mlflow.MlflowClient(server.url)
        run = client.create_run(client.create_experiment(f"{request.node.name}-{os.urandom(4).hex()}"))
        file = tmp_path / "weights.bin"
        file.write_bytes(os.urandom(2 * PART + 12345))
        server.requests.clear()
        return client, run, file

    return begin


def staged(server):
    return [entry["path"] for page in obstore.list(server.blobs.store, "uploads") for entry in page]


def paths(server, method):
    return [path for verb, path in server.requests if verb == method]


def test_a_large_file_goes_to_the_bucket_in_parts_and_comes_back_from_there(at_bucket, run_at, tmp_path):
    client, run, file = run_at(at_bucket)
    client.log_artifact(run.info.run_id, str(file), "deep/down")
    downloaded = client.download_artifacts(run.info.run_id, "deep/down/weights.bin", str(tmp_path / "back"))
    assert filecmp.cmp(file, downloaded, shallow=False)
    assert [info.file_size for info in client.list_artifacts(run.info.run_id, "deep/down")] == [file.stat().st_size]
    assert not paths(at_bucket, "PUT")  # no byte went through the server
    assert not [path for path in paths(at_bucket, "GET") if "/mlflow-artifacts/artifacts/" in path]
    assert [name for name in staged(at_bucket) if not name.endswith("upload.json")] == []


def test_a_small_file_goes_through_the_server(at_bucket, run_at, tmp_path):
    client, run, _ = run_at(at_bucket)
    client.log_text(run.info.run_id, "small", "note.txt")
    back = client.download_artifacts(run.info.run_id, "note.txt", str(tmp_path))
    assert Path(back).read_text() == "small"
    assert len(paths(at_bucket, "PUT")) == 1


def test_without_a_bucket_the_client_falls_back_to_the_server(server, client, run_at, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "true")
    client, run, file = run_at(server)
    client.log_artifact(run.info.run_id, str(file))
    downloaded = client.download_artifacts(run.info.run_id, "weights.bin", str(tmp_path / "back"))
    assert filecmp.cmp(file, downloaded, shallow=False)
    assert len(paths(server, "PUT")) == 1


def test_the_setting_keeps_clients_away_from_the_bucket(tmp_path):
    with bucket() as url:
        running = MlflowWireServer(tmp_path, blobs=url, presigned=False)
        info = httpx.get(f"{running.url}/api/3.0/mlflow/server-info").json()
        refused = httpx.post(f"{running.url}{MPU}/create/0/r", json={"path": "x", "num_parts": 1})
        running.close()
    assert (info["multipart_uploads_enabled"], info["multipart_downloads_enabled"]) == (False, False)
    assert (refused.status_code, refused.json()["error_code"]) == (501, "NOT_IMPLEMENTED")


class Upload:
    """An upload of two parts by hand."""

    def __init__(self, server, content=(b"a" * PART, b"b" * 10)):
        self.server, self.content = server, content
        self.place = f"0/{os.urandom(8).hex()}"
        begun = self.send("create", path="model.bin", num_parts=len(content))
        assert begun.status_code == 200, begun.text
        self.id, self.parts = begun.json()["upload_id"], []
        for credential, data in zip(begun.json()["credentials"], content, strict=True):
            sent = httpx.put(credential["url"], content=data)
            self.parts.append(
                {"part_number": credential["part_number"], "etag": sent.headers["etag"], "url": credential["url"]}
            )

    def send(self, verb, **body):
        return httpx.post(f"{self.server.url}{MPU}/{verb}/{self.place}", json=body, timeout=60)

    def complete(self, **changes):
        return self.send("complete", **({"path": "model.bin", "upload_id": self.id, "parts": self.parts} | changes))

    def fetched(self):
        return httpx.get(f"{self.server.url}/api/2.0/mlflow-artifacts/artifacts/{self.place}/model.bin")


def test_completing_twice_is_completing_once(at_bucket):
    upload = Upload(at_bucket)
    assert [upload.complete().status_code, upload.complete().status_code] == [200, 200]
    assert upload.fetched().content == b"".join(upload.content)


@pytest.mark.parametrize("changes", [{"parts": []}, {"upload_id": "0" * 32}, {"path": "other.bin"},
                                     {"upload_id": "../../blobs"}])  # fmt: skip
def test_what_was_not_uploaded_is_not_named(at_bucket, changes):
    upload = Upload(at_bucket)
    assert upload.complete(**changes).status_code in (400, 404)
    assert upload.fetched().status_code == 404


def test_a_part_that_is_not_the_one_the_client_sent_is_refused(at_bucket):
    upload = Upload(at_bucket)
    httpx.put(upload.parts[1]["url"], content=b"other bytes")
    answer = upload.complete()
    assert (answer.status_code, "ETag" in answer.text) == (400, True)


def test_an_aborted_upload_leaves_nothing(at_bucket):
    upload = Upload(at_bucket)
    assert upload.send("abort", path="model.bin", upload_id=upload.id).status_code == 200
    assert [name for name in staged(at_bucket) if upload.id in name] == []
    assert upload.complete().status_code == 404


def test_parts_over_the_limit_are_refused_and_dropped(at_bucket):
    upload = Upload(at_bucket, content=[b"x" * (7 << 20)] * 5)
    assert upload.complete().status_code == 413
    assert [name for name in staged(at_bucket) if upload.id in name] == []


@pytest.mark.parametrize("count", [0, -1, 10_001, "x"])
def test_a_number_of_parts_that_no_bucket_takes_is_refused(at_bucket, count):
    answer = httpx.post(f"{at_bucket.url}{MPU}/create/0/r", json={"path": "x", "num_parts": count})
    assert answer.status_code == 400


def test_a_reader_may_not_upload(at_bucket, monkeypatch):
    monkeypatch.setattr(at_bucket, "role", "viewer")
    answer = httpx.post(f"{at_bucket.url}{MPU}/create/0/r", json={"path": "x", "num_parts": 1})
    assert answer.status_code == 403


def test_one_file_of_a_run_has_an_address_at_the_bucket(at_bucket, run_at):
    client, run, _ = run_at(at_bucket)
    client.log_text(run.info.run_id, "abc", "note.txt")
    body = {"run_id": run.info.run_id, "path": "note.txt", "expiration": 60}
    answer = httpx.post(f"{at_bucket.url}/api/2.0/mlflow/artifacts/presigned-download-url", json=body).json()
    assert httpx.get(answer["presigned_url"]).text == "abc"
    assert "X-Amz-Expires=60" in answer["presigned_url"]
