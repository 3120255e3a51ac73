"""Bad input to every route that takes some: always a 4xx problem in words, never a 500, never a hang."""

import itertools
import json
from datetime import timedelta
from functools import partial

import msgspec
import pytest

from helicline.access import tokens
from helicline.records.access import ROLES
from helicline.server.permissions import API, PERMISSIONS
from support.live_server import LIMIT, make_context, running_server
from support.records import loop_spec

WRITES = sorted(route for route in PERMISSIONS if route[0] in ("POST", "PUT"))
READS = sorted(route for route in PERMISSIONS if route[0] == "GET" and route[1] != "/stream")
PARTS = {"number": "7", "decision": "approve", "digest": "0" * 64}
RAW = {("PUT", "/blobs"), ("POST", "/attempts/{attempt_id}/log")}
NO_BODY = {
    "/probe",
    "/retry",
    "/cancel",
    "/hold",
    "/resume",
    "/acknowledge",
    "/revoke",
    "/drop",
    "/unprotect",
    "/{point}/check",
}

BODIES = {
    "no JSON": b"{",
    "nothing": b"",
    "a list": b"[]",
    "null": b"null",
    "a number": b"7",
    "text": b'"x"',
    "NaN": b'{"name": NaN}',
    "Infinity": b'{"days": Infinity, "number": -Infinity}',
    "a number beyond floats": b'{"number": 1e999}',
    "a huge number": b'{"number": ' + b"9" * 5000 + b"}",
    "a lone surrogate": b'{"reason": "\\ud800"}',
    "bytes that are no UTF-8": b'{"reason": "\xff\xfe"}',
    "an unknown field": b'{"__proto__": {}, "constructor": 1}',
    "wrong types": b'{"number": "x", "reason": 7, "files": {}, "name": [], "fence": "a", "muted": 3, "source": {}}',
    "deep nesting": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "deep lists": b"[" * 100_000,
}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    context = make_context(tmp_path_factory.mktemp("home"))
    with running_server(context) as opened:
        yield opened


def url(path, **parts):
    names = {name: "x" for name in ("name", "ref", "run_id", "attempt_id", "alias", "request_id", "token_id", "point")}
    names |= {name: "x" for name in ("turn_id", "loop", "alert_id", "prediction_id")}
    return API + path.format(**{**names, **PARTS, **parts})


def send(client, route, body, **parts):
    headers = {"content-type": "application/json"}
    return client.request(route[0], url(route[1], **parts), content=body, headers=headers, params={"offset": 0})


def is_problem(answer):
    """A 4xx with code and detail in our form."""
    if not 400 <= answer.status_code < 500:
        return False
    problem = answer.json()
    return problem["status"] == answer.status_code and bool(problem["code"]) and isinstance(problem["detail"], str)


JSON_ROUTES = [route for route in WRITES if route not in RAW]


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("route", JSON_ROUTES, ids=" ".join)
def test_a_body_that_cannot_be_read_is_a_problem(client, route, kind):
    answer = send(client, route, BODIES[kind])
    assert is_problem(answer), (answer.status_code, answer.text[:300])


@pytest.mark.parametrize("route", WRITES, ids=" ".join)
def test_a_body_over_the_limit_is_413(client, route):
    answer = send(client, route, b'{"reason": "' + b"x" * (LIMIT + 10) + b'"}')
    ends_unread = any(route[1].endswith(end) for end in NO_BODY)  # what reads no body need not see its size
    assert is_problem(answer)
    assert answer.status_code == 413 or ends_unread, answer.text[:200]


NAMES = ["..", "%2e%2e", "a%2fb", "..%2f..%2fetc%2fpasswd", "a%00b", "a%0ab", "%ff", "x" * 3000, "💥", "%ed%a0%80", "-"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("route", [route for route in WRITES + READS if "{" in route[1]], ids=" ".join)
def test_a_strange_name_in_the_path_is_never_an_error_of_ours(client, route, name):
    names = {part: name for part in ("name", "ref", "run_id", "attempt_id", "alias", "request_id", "token_id", "point")}
    names |= {part: name for part in ("turn_id", "loop", "alert_id", "prediction_id", "digest", "decision")}
    answer = client.request(
        route[0], url(route[1], **names), content=b"{}", params={"offset": 0, "key": "x", "limit": 5}
    )
    assert answer.status_code < 500, answer.text[:300]


@pytest.mark.parametrize("number", ["0", "-1", "9223372036854775808", "9" * 40, "1e3", "x", "٣", "²"])
@pytest.mark.parametrize("route", [route for route in WRITES + READS if "{number}" in route[1]], ids=" ".join)
def test_a_strange_number_in_the_path_is_a_problem(client, route, number):
    body = b'{"check": "latency", "reason": "a reason that is long enough", "person": "Ada"}'
    assert is_problem(send(client, route, body, number=number))


QUERIES = [
    {"limit": "0"}, {"limit": "-5"}, {"limit": "x"}, {"limit": "9" * 30}, {"before": "9" * 30}, {"after": "tampered"},
    {"filter": "metrics.x >"}, {"filter": "'; DROP TABLE run; --"}, {"order_by": "x; DROP"}, {"since_ms": "9" * 30},
    {"windows": "0"}, {"points": "-1"}, {"offset": "-9"}, {"offset": "9" * 30}, {"wait_s": "nan"}, {"label": "a\x00'b"},
    {"state": "'"}, {"experiment": "9" * 30}, {"experiment": "x"}, {"since_ms": "-1"},
    {"since_ms": "10097644148517246"},
    {"wait_s": "-1", "after": "9" * 30}, {"every": "0"}, {"view": "'"}, {"column": "x" * 5000}, {"by": "a\x00"},
    {"buckets": "9" * 30}, {"from": "nan", "to": "inf"}, {"axis": "💥"}, {"path": "../x"}, {"run": "\x00"},
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES, ids=str)
@pytest.mark.parametrize("route", READS, ids=" ".join)
def test_a_strange_query_is_never_an_error_of_ours(client, route, query):
    required = {"key": "params.x", "run": "x", "by": "params.x", "path": "x"} if route[1].startswith("/runs") else {}
    required |= {"noun": "run", "id": "x"} if route[1] == "/lineage" else {}
    required |= {"before": "v1", "after": "v1"} if "diff" in route[1] else {}
    wait = {"wait_s": "0"} if route[1] == "/gateway/desired" else {}
    answer = client.get(url(route[1]), params={**wait, **required, **query})
    assert answer.status_code < 500, answer.text[:300]


PATHS = [
    "../x",
    "/etc/passwd",
    "a/../../b",
    "a\\b",
    "C:/x",
    "",
    "a\x00b",
    "a\nb",
    "x" * 2000,
    "a//b",
    "./a",
    "name.",
    "ｅ/．．/x",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_in_a_dataset_never_leaves_it(client, path):
    digest = client.put(f"{API}/blobs", content=b"rows").json()
    body = {"files": [[path, 4, digest["hash"]]]}
    answer = client.post(f"{API}/datasets/d/versions", json=body)
    accepted = answer.status_code == 201 and ".." not in path
    assert accepted or is_problem(answer), answer.text


@pytest.mark.parametrize("change", [
    {"name": "../x"}, {"model": "a/b"}, {"deployment": ""}, {"rollout": {"steps": [{"weight_bp": -5}]}},
    {"triggers": [{"kind": "schedule", "cron": "nonsense"}]}, {"monitors": [{"kind": "drift", "window_s": 1e300}]},
    {"pipeline": {}}, {"gates": [{"kind": "magic"}]}, {"approval": {"role": "x", "people": "many"}},
    {"approval": {"role": "x", "people": -1}}, {"monitors": [{"kind": "drift"}, {"kind": "drift"}]},
])  # fmt: skip
def test_a_loop_that_makes_no_sense_is_refused_whole(client, change):
    spec = {**json.loads(msgspec.json.encode(loop_spec(name="bad"))), **change}
    answer = client.post(f"{API}/loops", json=spec)
    assert is_problem(answer), answer.text[:300]
    assert client.get(f"{API}/loops/bad").status_code == 404


def test_a_problem_says_which_request_it_was(client):
    answer = client.post(f"{API}/tokens", content=b"{")
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server that asks everybody for a token, and a token of each role."""
    context = make_context(tmp_path_factory.mktemp("guarded"), auth="token")
    day = timedelta(days=1)
    secrets = {role: context.store.write(partial(tokens.mint, name=role, role=role, lifetime=day))[1] for role in ROLES}
    with running_server(context) as opened:
        yield opened, secrets


def status_of(guarded, route, role):
    client, secrets = guarded
    headers = {"Authorization": f"Bearer {secrets[role]}"} if role else {}
    query = {"offset": 0, "wait_s": 0, "key": "x", "before": 1, "after": "0"}
    return client.request(route[0], url(route[1]), content=b"{}", headers=headers, params=query).status_code


@pytest.mark.parametrize(("route", "role"), list(itertools.product(WRITES + READS, ["", *ROLES])), ids=str)
def test_each_role_may_do_what_the_table_says_and_no_more(guarded, route, role):
    needed = PERMISSIONS[route]
    status = status_of(guarded, route, role)
    if needed == "open":
        assert status not in (401, 403)
    elif not role:
        assert status == 401
    elif needed in ROLES[role]:
        assert status not in (401, 500) or status == 400
    else:
        assert status == 403


@pytest.mark.parametrize(
    ("list_of", "status"),
    [("/turns?loop=chrn", 404), ("/monitors?deployment=chrn", 404), ("/alerts?deployment=chrn", 404),
     ("/alerts?state=open", 400), ("/alerts?state=firing", 200), ("/turns", 200)],
)  # fmt: skip
def test_a_list_of_what_does_not_exist_is_an_error_and_not_empty(client, list_of, status):
    answer = client.get(API + list_of)
    assert answer.status_code == status, answer.text
    assert status == 200 or answer.json()["detail"]
