"""Sign-in of a browser: the session's cookie, what changes by cookie need, and how a session ends."""

from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest

from helicline.access import tokens
from helicline.access.signed_token import Verifier
from helicline.serving import deployments
from helicline.store import nouns
from support.live_server import make_context, running_server

SESSION = "/api/v1/session"
CHANGE, BODY = "/api/v1/triggers/none/none/mute", {"muted": True}


@pytest.fixture
def context(tmp_path):
    return make_context(tmp_path, auth="token")


@pytest.fixture
def server(context):
    with running_server(context) as client:
        yield client


def mint(context, role="operator", days=30):
    return context.store.write(lambda tx: tokens.mint(tx, "ann", role=role, lifetime=timedelta(days=days)))


def browser(server):
    """A client with cookies of its own, and the origin that a browser sends."""
    return httpx.Client(base_url=server.base_url, headers={"Origin": str(server.base_url)}, trust_env=False)


@pytest.fixture
def ann(server, context):
    """A browser in which an operator is signed in; its default headers carry the CSRF token."""
    _, secret = mint(context)
    client = browser(server)
    answer = client.post(SESSION, json={"token": secret})
    assert answer.status_code == 201
    client.headers["X-CSRF-Token"] = answer.json()["csrf"]
    yield client
    client.close()


def test_a_session_says_who_one_is_and_what_one_may_do(ann):
    shown = ann.get(SESSION).json()
    assert (shown["name"], shown["role"]) == ("ann", "operator")
    assert shown["permissions"] == ["deploy", "log", "read", "write"]
    assert shown["csrf"] == ann.headers["X-CSRF-Token"]


def test_the_cookie_is_for_this_server_alone_and_no_script_reads_it(server, context):
    _, secret = mint(context)
    answer = server.post(SESSION, json={"token": secret})
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith(f"helicline_session_{server.base_url.port}=")
    assert {"HttpOnly", "Path=/", "SameSite=strict", "Max-Age=43200"} <= set(attributes)
    assert "Secure" not in attributes
    assert answer.headers["cache-control"] == "no-store"


def test_over_https_the_cookie_is_secure(server, context):
    _, secret = mint(context)
    origin = str(server.base_url).replace("http:", "https:")
    assert "Secure" in server.post(SESSION, json={"token": secret}, headers={"Origin": origin}).headers["set-cookie"]


def test_a_session_ends_no_later_than_its_token(server, context):
    _, secret = context.store.write(lambda tx: tokens.mint(tx, "ann", role="viewer", lifetime=timedelta(hours=1)))
    cookie = server.post(SESSION, json={"token": secret}).headers["set-cookie"]
    assert 3590 <= int(cookie.partition("Max-Age=")[2].partition(";")[0]) <= 3600


def test_only_hashes_are_stored(ann, context):
    cookie = next(iter(ann.cookies.values()))
    [session] = context.store.read(nouns.SESSIONS.select)
    assert cookie not in str(session)
    assert ann.headers["X-CSRF-Token"] not in str(session)


@pytest.mark.parametrize("csrf", [None, "", "wrong"])
def test_a_change_by_cookie_without_the_csrf_token_is_refused(ann, csrf):
    del ann.headers["X-CSRF-Token"]
    answer = ann.post(CHANGE, json=BODY, headers={} if csrf is None else {"X-CSRF-Token": csrf})
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")


def test_a_change_by_cookie_with_the_csrf_token_reaches_its_route(ann):
    assert ann.post(CHANGE, json=BODY).status_code == 404


def test_a_change_by_bearer_token_needs_no_csrf_token(server, context):
    _, secret = mint(context)
    assert server.post(CHANGE, json=BODY, headers={"Authorization": f"Bearer {secret}"}).status_code == 404


def test_a_cookie_gives_no_more_than_its_role(server, context):
    _, secret = mint(context, role="viewer")
    with browser(server) as client:
        client.headers["X-CSRF-Token"] = client.post(SESSION, json={"token": secret}).json()["csrf"]
        assert client.post(CHANGE, json=BODY).status_code == 403
        assert client.get("/api/v1/status").status_code == 200


def test_live_changes_come_by_cookie(ann):
    with ann.stream("GET", "/api/v1/stream") as answer:
        assert answer.status_code == 200
        assert next(answer.iter_lines()).startswith("retry:")


def test_a_stream_ends_when_its_reader_signs_out_or_its_token_is_revoked(ann, server, context):
    token, secret = mint(context)
    with (
        ann.stream("GET", "/api/v1/stream") as by_cookie,
        server.stream("GET", "/api/v1/stream", headers={"Authorization": f"Bearer {secret}"}) as by_token,
    ):
        cookie_lines, token_lines = by_cookie.iter_lines(), by_token.iter_lines()
        assert next(cookie_lines).startswith("retry:")
        assert next(token_lines).startswith("retry:")
        context.store.write(lambda tx: tokens.revoke(tx, token.id))
        assert not any(line.startswith("data:") for line in token_lines)
        assert ann.delete(SESSION).status_code == 204
        assert not any('"closed"' in line for line in cookie_lines)


def test_a_stream_ends_when_its_session_expires(ann, context):
    [session] = context.store.read(nouns.SESSIONS.select)
    soon = datetime.now(UTC) + timedelta(seconds=1)
    context.store.write(lambda tx: nouns.SESSIONS.put(tx, msgspec.structs.replace(session, expires_at=soon)))
    with ann.stream("GET", "/api/v1/stream") as answer:
        lines = list(answer.iter_lines())  # would wait for ever in a stream that does not end
    assert lines[0].startswith("retry:")
    assert ann.get(SESSION).status_code == 401


def test_signing_out_ends_the_session_everywhere(ann, server):
    copy = "; ".join(f"{name}={value}" for name, value in ann.cookies.items())
    answer = ann.delete(SESSION)
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert server.get("/api/v1/status", headers={"Cookie": copy}).status_code == 401
    assert not ann.cookies


def test_revoking_the_token_ends_its_sessions(server, context):
    token, secret = mint(context)
    with browser(server) as client:
        client.post(SESSION, json={"token": secret})
        assert client.get(SESSION).status_code == 200
        context.store.write(lambda tx: tokens.revoke(tx, token.id))
        assert client.get(SESSION).status_code == 401


def test_a_session_of_a_clock_that_was_ahead_is_not_open(ann, context):
    [session] = context.store.read(nouns.SESSIONS.select)
    later = msgspec.structs.replace(session, expires_at=session.expires_at + timedelta(days=2))
    context.store.write(lambda tx: nouns.SESSIONS.put(tx, later))
    assert ann.get(SESSION).status_code == 401


def test_the_owner_signs_in_with_the_token_of_the_home(server, context):
    with browser(server) as client:
        answer = client.post(SESSION, json={"token": tokens.owner_token(context.home)})
        assert (answer.json()["name"], answer.json()["role"]) == ("local", "admin")
        assert client.get("/api/v1/tokens").status_code == 200


def test_a_revoked_or_unknown_token_is_answered_401_and_the_eleventh_429(server, context):
    token, secret = mint(context)
    context.store.write(lambda tx: tokens.revoke(tx, token.id))
    answers = [server.post(SESSION, json={"token": text}) for text in (secret, *["wrong"] * 9)]
    assert {answer.status_code for answer in answers} == {401}
    assert answers[0].headers["content-type"] == "application/problem+json"
    refused = server.post(SESSION, json={"token": "wrong"})
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 0 < int(refused.headers["retry-after"]) <= 60


def test_wrong_bearer_tokens_are_limited_too_but_a_token_that_serves_is_not_shut_out(server, context):
    _, secret = mint(context)
    valid = {"Authorization": f"Bearer {secret}"}
    assert server.get("/api/v1/status", headers=valid).status_code == 200
    wrong = [server.get("/api/v1/status", headers={"Authorization": f"Bearer hl_{n}"}).status_code for n in range(12)]
    assert wrong == [401] * 10 + [429] * 2
    assert server.get("/api/v1/status", headers=valid).status_code == 200


def test_the_mlflow_wire_reports_the_limit_in_its_own_form(server):
    wrong = {"Authorization": "Bearer wrong"}
    answers = [server.get("/api/2.0/mlflow/experiments/get?experiment_id=0", headers=wrong) for _ in range(11)]
    assert answers[-1].status_code == 429
    assert answers[-1].json()["error_code"] == "REQUEST_LIMIT_EXCEEDED"
    assert "retry-after" in answers[-1].headers


def test_without_a_session_one_is_not_known(server):
    answer = server.get(SESSION)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_in_local_mode_the_caller_is_local_without_a_session(tmp_path):
    with running_server(make_context(tmp_path)) as client:
        assert client.get(SESSION).json() == {
            "name": "local", "role": "admin", "csrf": "", "expires_at": None,
            "permissions": ["admin", "approve", "deploy", "gateway", "log", "read", "worker", "write"],
        }  # fmt: skip


def test_a_token_with_scopes_is_for_gateways_alone_and_its_key_reaches_them(server, context):
    admin = {"Authorization": f"Bearer {tokens.owner_token(context.home)}"}
    body = {"name": "shop", "scopes": ["predict:churn", "feedback:churn"]}
    created = server.post("/api/v1/tokens", json=body, headers=admin).json()
    refused = server.get("/api/v1/status", headers={"Authorization": f"Bearer {created['secret']}"})
    assert refused.status_code == 403
    context.store.write(lambda tx: deployments.reroute(tx, "test"))
    key = server.get("/api/v1/gateway/desired?after=0", headers=admin).json()["token_key"]
    assert Verifier(key).claims_of(created["secret"]).scopes == ("predict:churn", "feedback:churn")


def test_a_revoked_token_with_scopes_reaches_a_gateway_that_waits(server, context):
    admin = {"Authorization": f"Bearer {tokens.owner_token(context.home)}"}
    created = server.post("/api/v1/tokens", json={"name": "shop", "scopes": ["metrics"]}, headers=admin).json()
    server.post(f"/api/v1/tokens/{created['id']}/revoke", headers=admin)
    desired = server.get("/api/v1/gateway/desired?after=0&wait_s=5", headers=admin).json()
    assert desired["revoked_tokens"] == [created["id"]]


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": ["predict"]}, {"scopes": ["predict:"]}, {"scopes": ["admin"]}, {"scopes": ["predict:a b"]}, {},
        {"scopes": ["predict:a"], "role": "viewer"}, {"role": "caller"}, {"role": "viewer", "name": "local"},
        {"role": "viewer", "name": "Anonymous"}, {"scopes": ["metrics"], "name": "system"},
    ],
)  # fmt: skip
def test_what_is_no_scope_no_role_or_no_name_is_refused(server, context, body):
    admin = {"Authorization": f"Bearer {tokens.owner_token(context.home)}"}
    answer = server.post("/api/v1/tokens", json={"name": "shop", **body}, headers=admin)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
