import json

import psutil
import pytest

from support.gateway_harness import GatewayHarness, route
from support.wait import wait_for

SUM = json.dumps({"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, 2.0]]}})


def test_a_model_that_cannot_be_unpickled_fails_with_the_reason_and_the_others_serve(harness):
    harness.deploy("good", "sums")
    desired = harness.plane.desired
    harness.plane.want([*desired.orders, harness.plane.order("bad", 1, "damaged")], [*desired.routes, route("bad", 1)])
    assert "UnpicklingError" in harness.plane.until("bad", 1, "FAILED").reason
    answer = harness.client.post("/endpoints/bad/invocations", content=SUM)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert harness.client.post("/endpoints/good/invocations", content=SUM).json() == {"predictions": [3.0]}
    assert harness.client.get("/v2/health/ready").status_code == 503
    assert harness.client.get("/v2/models/bad/ready").json() == {"name": "bad", "ready": False}


def test_a_model_that_hangs_while_loading_fails_after_the_limit(tmp_path):
    harness = GatewayHarness(tmp_path, HELICLINE_LOAD_TIMEOUT_S="8")
    harness.plane.want([harness.plane.order("d", 1, "hanging")], [route("d", 1)])
    assert "not loaded after 8 s" in harness.plane.until("d", 1, "FAILED").reason
    harness.close()


def test_a_model_without_files_waits_and_says_why(harness):
    order = harness.plane.order("d", 1, "sums")
    archive = harness.plane.archives.pop(order.archive_path)
    harness.plane.want([order], [route("d", 1)])
    wait_for(lambda: (s := harness.plane.status("d", 1)) and "404" in s.reason, "the reason")
    harness.plane.archives[order.archive_path] = archive
    harness.plane.until("d", 1, "READY")


def test_the_worker_dies_with_the_gateway(harness):
    harness.deploy("d", "sums")
    pid = harness.plane.status("d", 1).pid
    harness.gateway.kill()
    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", "the worker's end")


def test_a_proven_model_goes_the_fast_way_and_says_so(shared_harness):
    reasons = {s.deployment: (s.fast_path, s.reason) for s in shared_harness.plane.observed.revisions}
    assert reasons["iris"] == (True, "matrix way, calls joined: shown equal on the input example")
    assert reasons["tensor"] == (True, "matrix way, calls joined: shown equal on the input example")
    assert reasons["mixed"] == (True, "frame way, calls joined: shown equal on the input example")
    assert reasons["sums"][0] is False
    assert reasons["unsigned"][0] is False


@pytest.mark.parametrize("rows", [1, 3])
def test_one_bad_row_does_not_fail_the_calls_joined_with_it(shared_harness, rows):
    import asyncio

    import httpx

    good = {"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, 2.0]] * rows}}
    bad = {"dataframe_split": {"columns": ["a", "b"], "data": [[-1.0, 2.0]]}}

    async def ask():
        async with httpx.AsyncClient(base_url=shared_harness.gateway.url, timeout=30, trust_env=False) as client:
            bodies = [bad if number % 8 == 3 else good for number in range(64)]
            return await asyncio.gather(*[client.post("/endpoints/picky/invocations", json=b) for b in bodies])

    answers = asyncio.run(ask())
    assert [a.status_code for a in answers] == [500 if n % 8 == 3 else 200 for n in range(64)]
    assert all(a.json() == {"predictions": [3.0] * rows} for a in answers if a.status_code == 200)


def test_the_gateway_shows_its_token_to_the_server(tmp_path):
    harness = GatewayHarness(tmp_path, HELICLINE_TOKEN="secret-token")
    harness.deploy("d", "sums")
    assert "Bearer secret-token" in harness.plane.tokens
    harness.close()


def test_a_model_reaches_no_secret_of_its_gateway(tmp_path):
    harness = GatewayHarness(tmp_path, HELICLINE_TOKEN="of the gateway", MY_SECRET_KEY="of the parent")
    (harness.home / "owner.token").write_text("of the owner")
    harness.deploy("d", "prying")
    rows = json.dumps({"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, 2.0]] * 7}})
    answers = harness.client.post("/endpoints/d/invocations", content=rows).json()["predictions"]
    assert answers == [
        "owner's token: PermissionError",
        "home: PermissionError",
        "environment of the parent: PermissionError",
        "scratch of others: PermissionError",
        "a signal: PermissionError",
        "own scratch: 4",
        "secrets: []",
    ]
    harness.close()


def test_the_scratch_folder_of_a_worker_goes_with_it(harness):
    harness.deploy("d", "sums")
    harness.plane.want([], [])
    wait_for(lambda: not harness.plane.status("d", 1) or harness.plane.status("d", 1).state == "STOPPED", "the end")
    names = {folder.name for folder in (harness.home / "scratch").iterdir()}
    wait_for(lambda: len({f.name for f in (harness.home / "scratch").iterdir()}) <= 1, f"one standby worker of {names}")
