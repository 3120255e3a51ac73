"""Parts of artifacts (206 and 416), and names that a file and a folder cannot both have."""

from __future__ import annotations

import threading
import uuid

import httpx
import mlflow
import pytest
import requests

from support.mlflow_wire_server import MlflowWireServer
from support.s3_bucket import bucket

ROOT = "/api/2.0/mlflow-artifacts/artifacts"
CONTENT = bytes(range(256)) * 5000  # more than one piece of the store


@pytest.fixture(scope="module", params=["local", "bucket"])
def served(request, tmp_path_factory):
    """A server on each kind of store, with a file of a run."""
    home = tmp_path_factory.mktemp(request.param)
    if request.param == "local":
        running = MlflowWireServer(home)
        yield running
        running.close()
        return
    with bucket() as url:
        running = MlflowWireServer(home, blobs=url)
        yield running
        running.close()


@pytest.fixture(scope="module")
def run_id(served):
    client = mlflow.MlflowClient(served.url)
    run = client.create_run("0")
    httpx.put(f"{served.url}{ROOT}/0/{run.info.run_id}/artifacts/w.bin", content=CONTENT).raise_for_status()
    httpx.put(f"{served.url}{ROOT}/0/{run.info.run_id}/artifacts/empty", content=b"").raise_for_status()
    return run.info.run_id


@pytest.fixture(params=["mlflow-artifacts", "get-artifact"])
def fetch(request, served, run_id):
    def get(name="w.bin", **headers):
        if request.param == "get-artifact":
            query = {"run_id": run_id, "path": name}
            return httpx.get(f"{served.url}/get-artifact", params=query, headers=headers)
        return httpx.get(f"{served.url}{ROOT}/0/{run_id}/artifacts/{name}", headers=headers)

    return get


SIZE = len(CONTENT)


@pytest.mark.parametrize(
    ("positions", "part"),
    [("0-0", range(1)), ("0-9", range(10)), ("1000000-1100000", range(1_000_000, 1_100_001)),
     (f"{SIZE - 1}-", range(SIZE - 1, SIZE)), ("-5", range(SIZE - 5, SIZE)), (f"-{SIZE + 5}", range(SIZE)),
     (f"5-{SIZE + 99}", range(5, SIZE)), ("0-", range(SIZE))],
)  # fmt: skip
def test_a_part_is_answered_with_its_place(fetch, positions, part):
    answer = fetch(Range=f"bytes={positions}")
    assert answer.status_code == 206
    assert answer.content == CONTENT[part.start : part.stop]
    assert answer.headers["content-range"] == f"bytes {part.start}-{part.stop - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(len(part))


@pytest.mark.parametrize("positions", [f"{SIZE}-", f"{SIZE}-{SIZE + 5}", "-0"])
def test_a_part_behind_the_end_is_416_with_the_size(fetch, positions):
    answer = fetch(Range=f"bytes={positions}")
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{SIZE}")
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


def test_no_part_of_an_empty_file_can_be_answered(fetch):
    assert fetch("empty", Range="bytes=0-").status_code == 416
    assert (fetch("empty").status_code, fetch("empty").content) == (200, b"")


@pytest.mark.parametrize("positions", ["bytes=5-2", "bytes=-", "bytes=a-b", "items=0-1", "bytes=0-1,4-5", "bytes", ""])
def test_what_is_no_range_is_answered_with_the_whole(fetch, positions):
    answer = fetch(Range=positions)
    assert (answer.status_code, answer.content == CONTENT) == (200, True)
    assert answer.headers["accept-ranges"] == "bytes"


def test_a_download_that_goes_on_gets_no_bytes_of_another_content(fetch):
    tag = fetch().headers["etag"]
    assert fetch(**{"Range": "bytes=3-5", "If-Range": tag}).content == CONTENT[3:6]
    assert fetch(**{"Range": "bytes=3-5", "If-Range": '"other"'}).status_code == 200


@pytest.fixture
def place(served):
    return f"{served.url}{ROOT}/{uuid.uuid4().hex}"


def put(url):
    return httpx.put(url, content=b"x")


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a"), ("a/b", "a/b/c/d"), ("a/b/c/d", "a/b")])
def test_a_file_and_a_folder_cannot_have_one_name(place, first, second):
    assert put(f"{place}/{first}").status_code == 200
    answer = put(f"{place}/{second}")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "Choose another name, or delete it first." in answer.json()["message"]
    assert put(f"{place}/{first}").status_code == 200  # the same again is no other name
    httpx.delete(f"{place}/a").raise_for_status()
    assert put(f"{place}/{second}").status_code == 200


def test_a_name_that_only_begins_alike_is_free(place):
    assert [put(f"{place}/{name}").status_code for name in ("a", "a.b/c", "a0", "b/a", "ab/c")] == [200] * 5


def test_the_stock_client_is_told_of_it(served, run_id):
    client = mlflow.MlflowClient(served.url)
    client.log_text(run_id, "x", "report")
    with pytest.raises(requests.HTTPError, match="report' is a file, so nothing can lie below it"):
        client.log_text(run_id, "x", "report/page.html")
    assert [file.path for file in client.list_artifacts(run_id)] == ["empty", "report", "w.bin"]


def test_of_two_servers_that_take_both_names_at_once_only_one_succeeds(tmp_path, postgres_database):
    """A commit of one server is not seen by the other before it is there."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    servers = [MlflowWireServer(tmp_path / name, postgres_database) for name in ("one", "two")]
    try:
        for number in range(20):
            barrier, statuses = threading.Barrier(2), []

            def send(url, barrier=barrier, statuses=statuses):
                barrier.wait()
                statuses.append(put(url).status_code)

            urls = [f"{server.url}{ROOT}/p{number}/a{end}" for server, end in zip(servers, ("", "/b"), strict=True)]
            threads = [threading.Thread(target=send, args=(url,)) for url in urls]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(statuses) == [200, 400]
    finally:
        for server in servers:
            server.close()
