"""The routes of the registry's pages, against a live server."""

from __future__ import annotations

import pytest

from helicline.server.permissions import API
from support.live_server import make_context, running_server


@pytest.fixture(scope="module")
def http(tmp_path_factory):
    with running_server(make_context(tmp_path_factory.mktemp("home"))) as opened:
        for name in ("churn", "other"):
            opened.post("/api/2.0/mlflow/registered-models/create", json={"name": name}).raise_for_status()
            for number in (1, 2):
                add_version(opened, name, b"%d" % number)
        yield opened


def add_version(http, model, content):
    run_id = http.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    http.put(
        f"/api/2.0/mlflow-artifacts/artifacts/0/{run_id}/artifacts/m/notes.txt", content=content
    ).raise_for_status()
    return post(http, f"/models/{model}/versions", {"source": f"runs:/{run_id}/m"}).json()["number"]


def post(http, route, body=None, *, token=""):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return http.post(API + route, json={} if body is None else body, headers=headers)


def token_of(http, name, role="approver"):
    return post(http, "/tokens", {"name": name, "role": role}).json()["secret"]


def test_a_protected_alias_answers_403_with_the_request_and_moves_with_its_approval(http):
    assert post(http, "/models/churn/aliases/champion", {"number": 1}).json()["number"] == 1
    protected = post(http, "/models/churn/aliases/champion/protect", {"people": 1}).json()["protected"]
    assert [protection["alias"] for protection in protected] == ["champion"]
    refused = post(http, "/models/churn/aliases/champion", {"number": 2, "person": "ann", "reason": "better"})
    assert (refused.status_code, refused.json()["code"]) == (403, "refused")
    request = http.get(f"{API}/promotion-requests", params={"model": "churn", "state": "OPEN"}).json()["items"][0]
    assert request["id"] in refused.json()["detail"]
    assert request["requested_by"] == "local (said to be ann)"
    assert (request["reason"], request["alias"]) == ("better", "champion")
    own = post(http, f"/promotion-requests/{request['id']}/approve", {"person": "ann"})
    assert (own.status_code, "four eyes" in own.json()["hint"]) == (403, True)
    same = post(http, f"/promotion-requests/{request['id']}/approve", {"person": "bob"})
    assert (same.status_code, "hl token create" in same.json()["hint"]) == (403, True)
    answer = post(http, f"/promotion-requests/{request['id']}/approve", token=token_of(http, "bob"))
    assert answer.json()["state"] == "APPROVED"
    assert [approval["person"] for approval in answer.json()["approvals"]] == ["bob"]
    detail = http.get(f"{API}/models/churn").json()
    assert [(alias["alias"], alias["number"]) for alias in detail["aliases"]] == [("champion", 2)]
    assert post(http, "/models/churn/aliases/champion/drop").status_code == 403
    assert post(http, "/models/churn/aliases/champion/unprotect").status_code == 200
    assert post(http, "/models/churn/aliases/champion/drop").json() == {"ok": True}


def test_pages_of_a_version_whose_run_another_server_recorded(http):
    """The run is named, and what only that server knows is left out."""
    http.post("/api/2.0/mlflow/registered-models/create", json={"name": "moved"}).raise_for_status()
    run_id = "0123456789abcdef" * 2
    for number in (1, 2):
        body = {"name": "moved", "source": f"runs:/{run_id}/m{number}", "run_id": run_id}
        http.post("/api/2.0/mlflow/model-versions/create", json=body).raise_for_status()
    shown = http.get(f"{API}/lineage", params={"noun": "model_version", "id": "moved/1"}).json()
    details = {node["id"]: node["detail"] for node in shown["nodes"]}
    assert details[run_id] == "recorded by another tracking server"
    assert http.get(f"{API}/models/moved/versions/1/card").json()["number"] == 1
    diff = http.get(f"{API}/models/moved/diff", params={"before": 1, "after": 2})
    assert (diff.status_code, diff.json()["metrics"]) == (200, [])


def test_a_version_whose_files_changed_cannot_be_approved(http):
    """Files of a version are frozen, but for one that was registered before its files came."""
    post(http, "/models/other/aliases/champion/protect")
    run_id = http.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    number = post(http, "/models/other/versions", {"source": f"runs:/{run_id}/late"}).json()["number"]
    request = post(http, "/promotion-requests", {"model": "other", "number": number, "alias": "champion"}).json()
    root = http.get(f"{API}/models/other/versions/{number}").json()["version"]["artifact_root"]
    http.put(f"/api/2.0/mlflow-artifacts/artifacts/{root}/notes.txt", content=b"other bytes").raise_for_status()
    answer = post(http, f"/promotion-requests/{request['id']}/approve", token=token_of(http, "bea"))
    assert (answer.status_code, "files changed" in answer.json()["detail"]) == (403, True)
    states = {request["id"]: request["state"] for request in http.get(f"{API}/promotion-requests").json()["items"]}
    assert states[request["id"]] == "VOID"
    assert http.get(f"{API}/models/other/versions/{number}").json()["changed"]
    assert post(http, f"/promotion-requests/{request['id']}/approve", {"person": "cyd"}).status_code == 409


def test_a_card_is_read_written_and_handed_on(http):
    at = "/models/churn/versions/1/card"
    card = post(http, at, {"fields": {"intended_use": "To rank."}}).json()
    assert (card["missing_count"], card["fields"][1]["text"]) == (4, "To rank.")
    document = http.get(f"{API}{at}.md")
    assert document.headers["content-type"].startswith("text/markdown")
    assert "To rank." in document.text
    assert post(http, at, {"fields": {"x": "y"}}).status_code == 400


def test_versions_are_compared(http):
    diff = http.get(f"{API}/models/churn/diff", params={"before": 1, "after": 2}).json()
    assert [change["path"] for change in diff["files"]["changes"]] == ["notes.txt"]
    query = {"before": 1, "after": 2, "path": "notes.txt"}
    assert http.get(f"{API}/models/churn/diff/text", params=query).json()["lines"][-2:] == ["-1", "+2"]


@pytest.mark.parametrize(
    ("route", "status"),
    [
        ("/models/nope", 404), ("/models/churn/versions/9/card", 404), ("/models/churn/diff?before=1&after=9", 404),
        ("/models/churn/diff?before=1", 400), ("/models/churn/diff?before=x&after=1", 400),
        ("/models/churn/diff?before=1&after=99999999999999999999", 404), ("/lineage?noun=run", 400),
        ("/lineage?noun=x&id=y", 400), ("/lineage?noun=run&id=y", 404), ("/lineage?noun=model_version&id=churn", 400),
    ],
)  # fmt: skip
def test_what_is_not_there_or_makes_no_sense_is_a_problem(http, route, status):
    answer = http.get(API + route)
    assert (answer.status_code, answer.json()["status"]) == (status, status)


@pytest.mark.parametrize(
    ("route", "body", "status"),
    [
        ("/models/churn/aliases/latest", {"number": 1}, 400), ("/models/churn/aliases/x", {"number": 9}, 404),
        ("/models/churn/aliases/x/protect", {"role": "viewer"}, 400),
        ("/models/churn/aliases/x/protect", {"people": 0}, 400),
        ("/models/churn/aliases/x/unprotect", {}, 404), ("/models/nope/aliases/x", {"number": 1}, 404),
        ("/promotion-requests", {"model": "churn", "number": 1, "alias": "free"}, 409),
        ("/promotion-requests", {"model": "nope", "number": 1, "alias": "x"}, 404),
        ("/promotion-requests/nope/approve", {"person": "bob"}, 404), ("/promotion-requests/nope/approve", {}, 400),
    ],
)  # fmt: skip
def test_a_change_that_cannot_be_is_a_problem(http, route, body, status):
    answer = post(http, route, body)
    assert (answer.status_code, answer.json()["status"]) == (status, status)


def test_two_people_are_two_tokens_whatever_names_are_said(http):
    add_version(http, "other", b"two")
    post(http, "/models/other/aliases/careful", {"number": 1})
    post(http, "/models/other/aliases/careful/protect", {"people": 2})
    ask = {"model": "other", "number": 2, "alias": "careful"}
    ann, eve = token_of(http, "ann-asks", "contributor"), token_of(http, "eve")
    request = post(http, "/promotion-requests", ask, token=ann).json()
    address = f"/promotion-requests/{request['id']}/approve"
    first = post(http, address, {"person": "cyd"})
    assert [approval["person"] for approval in first.json()["approvals"]] == ["local (said to be cyd)"]
    assert post(http, address, {"person": "dan"}).status_code == 409
    assert post(http, address, {"person": "dan"}, token=eve).status_code == 400
    assert post(http, address, token=eve).json()["state"] == "APPROVED"


def test_by_wire_one_needs_the_permission_that_our_api_asks_for(http):
    contributor = {"Authorization": f"Bearer {token_of(http, 'con', 'contributor')}"}
    operator = {"Authorization": f"Bearer {token_of(http, 'ops', 'operator')}"}
    root = "/api/2.0/mlflow"
    calls = [
        ("POST", "/registered-models/alias", {"name": "other", "alias": "a", "version": "1"}),
        ("DELETE", "/registered-models/alias", {"name": "other", "alias": "a"}),
        ("POST", "/model-versions/transition-stage", {"name": "other", "version": "1", "stage": "Staging"}),
        ("POST", "/registered-models/rename", {"name": "other", "new_name": "renamed"}),
        ("DELETE", "/model-versions/delete", {"name": "renamed", "version": "2"}),
        ("DELETE", "/registered-models/delete", {"name": "gone"}),
    ]
    for method, path, body in calls:
        refused = http.request(method, root + path, json=body, headers=contributor)
        assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED"), path
    allowed = [http.request(method, root + path, json=body, headers=operator) for method, path, body in calls[:3]]
    assert [answer.status_code for answer in allowed] == [200, 200, 200]
