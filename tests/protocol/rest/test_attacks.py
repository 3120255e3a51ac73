"""Attacks on the wire itself: requests that two programs would read differently, and tokens where none may be."""

import hashlib
import json
import socket

import pytest

from helicline.access.tokens import owner_token
from helicline.protocol.rest.access.token import TokenBody, create_token
from helicline.protocol.rest.edge import Edge
from helicline.records.access import Caller
from helicline.server.permissions import API
from support.connections import is_closed_by_peer
from support.live_server import make_context, running_server

HIDDEN_BODY = json.dumps({"name": "smuggled"})
HIDDEN = "POST /api/2.0/mlflow/experiments/create HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
HIDDEN += f"Content-Length: {len(HIDDEN_BODY)}\r\n\r\n{HIDDEN_BODY}"
HEAD = f"POST {API}/blobs HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CHUNKED, LONG = "Transfer-Encoding: chunked\r\n", f"Content-Length: {len(HIDDEN) + 5}\r\n"
SMUGGLERS = {
    "length before chunks": HEAD + LONG + CHUNKED + "\r\n0\r\n\r\n" + HIDDEN,
    "chunks before length": HEAD + CHUNKED + LONG + "\r\n0\r\n\r\n" + HIDDEN,
    "two lengths": HEAD + "Content-Length: 0\r\n" + LONG + "\r\n" + HIDDEN,
    "two lengths, the longer first": HEAD + LONG + "Content-Length: 0\r\n\r\n" + HIDDEN,
    "a list of lengths": HEAD + f"Content-Length: 0, {len(HIDDEN)}\r\n\r\n" + HIDDEN,
    "a length with a sign": HEAD + f"Content-Length: +{len(HIDDEN)}\r\n\r\n" + HIDDEN,
    "a negative length": HEAD + "Content-Length: -1\r\n\r\n" + HIDDEN,
    "a length in hexadecimal": HEAD + f"Content-Length: 0x{len(HIDDEN):x}\r\n\r\n" + HIDDEN,
    "a blank before the colon": HEAD + f"Content-Length : {len(HIDDEN)}\r\n\r\n" + HIDDEN,
    "chunks that are hidden": HEAD + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunks, then another coding": HEAD + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunks twice": HEAD + CHUNKED + "Transfer-Encoding: cow\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a folded header": HEAD + f"X: a\r\n Content-Length: {len(HIDDEN)}\r\nContent-Length: 0,\r\n\r\n" + HIDDEN,
    "a chunk's size that overflows": HEAD + CHUNKED + "\r\n10000000000000000\r\n" + HIDDEN,
    "a chunk's size with a sign": HEAD + CHUNKED + "\r\n-1\r\n" + HIDDEN,
    "a zero byte in a header": HEAD + f"X: a\0b\r\nContent-Length : {len(HIDDEN)}\r\n\r\n" + HIDDEN,
    "a lone carriage return": HEAD + f"X: a\rContent-Length: {len(HIDDEN)}\r\nContent-Length: x\r\n\r\n" + HIDDEN,
    "two hosts": HEAD + "Host: evil.example\r\nContent-Length: 0\r\n\r\n",
    "no host": f"POST {API}/blobs HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "a target of another host": f"POST http://evil.example{API}/blobs HTTP/1.1\r\nHost: evil.example\r\n\r\n",
}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with running_server(make_context(tmp_path_factory.mktemp("home"))) as opened:
        yield opened


def reply_to(client, request):
    """Send the bytes and return the statuses of all answers until the server closes the connection, as it must."""
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=20) as line:
        line.sendall(request.replace("Host: 127.0.0.1", f"Host: 127.0.0.1:{client.base_url.port}").encode("latin-1"))
        received = b""
        while piece := line.recv(65536):
            received += piece
    return [int(part.split(b" ", 1)[0]) for part in received.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize("how", SMUGGLERS)
def test_a_request_inside_another_is_not_carried_out(client, how):
    statuses = reply_to(client, SMUGGLERS[how])
    assert statuses, "no answer at all"
    assert all(400 <= status < 500 for status in statuses)
    assert "smuggled" not in client.get(f"{API}/experiments").text


def test_the_request_that_is_hidden_would_be_carried_out(client):
    """What the tests above rely on."""
    assert reply_to(client, HIDDEN) == [200]
    assert "smuggled" in client.get(f"{API}/experiments").text


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server that asks everybody for a token, and one that an admin has."""
    context = make_context(tmp_path_factory.mktemp("guarded"), auth="token")
    edge = Edge(context, Caller(name="root", role="admin"), "")
    with running_server(context) as opened:
        yield opened, create_token.fn(edge, TokenBody(name="ada", role="admin")).secret


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


PLACES = {
    "the query": lambda secret: {"params": {"token": secret, "access_token": secret, "api_key": secret}},
    "a cookie": lambda secret: {"headers": {"Cookie": f"token={secret}; session={secret}; Authorization={secret}"}},
    "headers of other products": lambda secret: {"headers": {"X-Api-Key": secret, "Api-Key": secret, "Token": secret}},
    "a proxy's header": lambda secret: {
        "headers": {"X-Forwarded-User": "ada", "Proxy-Authorization": f"Bearer {secret}"}
    },
    "the user of Basic": lambda secret: {"auth": (secret, "")},
    "no scheme": lambda secret: {"headers": {"Authorization": secret}},
    "another scheme": lambda secret: {"headers": {"Authorization": f"Token {secret}"}},
    "its digest": lambda secret: {"headers": bearer(hashlib.sha256(secret.encode()).hexdigest())},
    "its beginning": lambda secret: {"headers": bearer(secret[:-1])},
    "a pattern": lambda secret: {"headers": bearer("%")},
    "nothing": lambda secret: {"headers": {"Authorization": "Bearer"}},
    "a token without signature": lambda secret: {"headers": bearer("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.")},
    "its owner's address": lambda secret: {"headers": {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1"}},
}


@pytest.mark.parametrize("place", PLACES)
def test_a_token_counts_only_where_it_belongs(guarded, place):
    client, secret = guarded
    assert client.get(f"{API}/tokens", headers=bearer(secret)).status_code == 200
    assert client.get(f"{API}/tokens", **PLACES[place](secret)).status_code == 401


def test_who_has_no_token_may_ask_how_the_server_is(guarded):
    client, _ = guarded
    assert [client.get(path).status_code for path in ("/health", "/version")] == [200, 200]


@pytest.mark.parametrize("headers", [{}, bearer("hl_never")], ids=["none", "unknown"])
def test_without_a_good_token_stock_clients_are_told_in_their_words(guarded, headers):
    client, _ = guarded
    answer = client.get("/api/2.0/mlflow/experiments/get?experiment_id=0", headers=headers)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")
    assert "token" in answer.json()["message"]
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.fixture
def calm(tmp_path):
    """A guarded server of the test's own, which has not seen a wrong token yet."""
    context = make_context(tmp_path, auth="token")
    with running_server(context) as opened:
        yield opened, owner_token(tmp_path)


def test_nobody_learns_whether_a_token_was_ever_one(calm):
    client, secret = calm
    token = client.post(f"{API}/tokens", json={"name": "bo", "role": "viewer"}, headers=bearer(secret)).json()
    assert client.get(f"{API}/status", headers=bearer(token["secret"])).status_code == 200
    client.post(f"{API}/tokens/{token['id']}/revoke", headers=bearer(secret)).raise_for_status()
    answers = [client.get(f"{API}/status", headers=bearer(token)) for token in (token["secret"], "hl_never")]
    problems = [{**answer.json(), "request_id": ""} for answer in answers]
    assert problems[0] == problems[1]
    assert [answer.status_code for answer in answers] == [401, 401]


def test_a_secret_is_told_once_and_never_again(guarded):
    client, secret = guarded
    token = client.post(f"{API}/tokens", json={"name": "cy", "role": "viewer"}, headers=bearer(secret)).json()
    for path in ("/tokens", "/events", "/audit", "/status"):
        answer = client.get(f"{API}{path}", headers=bearer(secret))
        assert answer.status_code == 200
        assert token["secret"] not in answer.text
        assert hashlib.sha256(token["secret"].encode()).hexdigest() not in answer.text


UPLOAD_THREADS = ("create", "complete", "abort")


@pytest.mark.parametrize("verb", UPLOAD_THREADS)
@pytest.mark.parametrize("part", [{}, {"upload_id": "of-another", "parts": [{"part_number": 0, "etag": "x"}]}], ids=str)
def test_uploads_in_parts_that_are_not_offered_cannot_be_entered_either(client, verb, part):
    answer = client.post(f"/api/2.0/mlflow-artifacts/mpu/{verb}/0/x/artifacts/a", json={"path": "a", **part})
    assert answer.status_code in (404, 405, 501)


def test_idle_connections_of_one_peer_are_limited(client, caplog):
    address = (client.base_url.host, client.base_url.port)
    connections = [socket.create_connection(address, timeout=20) for _ in range(515)]
    assert client.get(f"{API}/status").status_code == 200
    assert is_closed_by_peer(connections[0])
    for connection in connections:
        connection.close()
    assert "connections that are idle or half-open" in caplog.text
