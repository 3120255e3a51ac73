import contextlib
import gzip
import json
import socket
import zlib

import pytest

from support.connections import is_closed_by_peer

ROW = {"columns": ["sl", "sw", "pl", "pw"], "data": [[5.1, 3.5, 1.4, 0.2]]}
BODY = json.dumps({"dataframe_split": ROW}).encode()
OTHER = json.dumps({"dataframe_split": {**ROW, "data": [[6.7, 3.0, 5.2, 2.3]]}}).encode()
URL = "/endpoints/iris/invocations"


class Raw:
    """A bare socket, for what no HTTP library would send."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=20)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def answer(self):
        status = int(self.file.readline().split()[1])
        headers = {}
        while (line := self.file.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            headers[name.lower().decode()] = value.strip().decode()
        return status, headers, self.file.read(int(headers.get("content-length", 0)))

    def at_end(self):
        return self.file.read(1) == b""

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.fixture
def raw(shared_harness):
    connection = Raw(shared_harness.gateway.address)
    yield connection
    connection.close()


def post(body, path=URL, head=b"", host=b"localhost"):
    size = b"content-length: %d\r\n" % len(body)
    return b"POST %b HTTP/1.1\r\nhost: %b\r\n%b%b\r\n%b" % (path.encode(), host, size, head, body)


def predictions(body):
    return json.loads(body)["predictions"]


def test_pipelined_requests_are_answered_in_their_order(raw):
    bodies = [BODY, OTHER, BODY, OTHER] * 15
    raw.send(b"".join(map(post, bodies)) + b"GET /ping HTTP/1.1\r\nhost: localhost\r\n\r\n")
    answers = [predictions(raw.answer()[2]) for _ in bodies]
    assert answers == [[0], [2], [0], [2]] * 15
    assert raw.answer()[2] == b"\n"


def test_a_quick_answer_waits_for_the_slow_one_before_it(raw):
    raw.send(post(BODY) + b"GET /ping HTTP/1.1\r\nhost: localhost\r\n\r\n" + post(OTHER))
    assert [raw.answer()[2] for _ in range(3)][1] == b"\n"


def test_chunked_bodies_are_put_together(raw):
    head = b"POST %b HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n" % URL.encode()
    raw.send(head + b"".join(b"%x\r\n%b\r\n" % (1, BODY[n : n + 1]) for n in range(len(BODY))) + b"0\r\n\r\n")
    assert predictions(raw.answer()[2]) == [0]


def test_a_client_that_waits_for_100_continue_gets_it(raw):
    raw.send(post(BODY, head=b"expect: 100-continue\r\n").split(b"\r\n\r\n")[0] + b"\r\n\r\n")
    assert raw.file.readline() == b"HTTP/1.1 100 Continue\r\n"
    raw.file.readline()
    raw.send(BODY)
    assert raw.answer()[0] == 200


def test_a_body_over_the_limit_is_refused_before_it_is_sent(raw):
    raw.send(b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999\r\n\r\n" % URL.encode())
    assert raw.answer()[0] == 413
    assert raw.at_end()


def test_a_chunked_body_over_the_limit_is_cut_off(raw):
    raw.send(b"POST %b HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n" % URL.encode())
    megabyte = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    try:
        for _ in range(17):
            raw.send(megabyte)
    except OSError:
        return
    assert raw.answer()[0] == 413


@pytest.mark.parametrize(
    "head", [b"x-long: " + b"a" * 70_000, b"\r\n".join(b"x-%d: %b" % (n, b"a" * 900) for n in range(80))]
)
def test_a_head_over_the_limit_is_refused(raw, head):
    raw.send(b"GET /ping HTTP/1.1\r\nhost: localhost\r\n" + head)
    assert raw.answer()[0] == 431


@pytest.mark.parametrize(
    "data", [b"nonsense\r\n\r\n", b"GET /ping HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01"]
)
def test_what_is_not_http_is_refused_and_closed(raw, data):
    raw.send(data)
    assert raw.answer()[0] == 400
    assert raw.at_end()


def test_http_1_0_is_closed_after_the_answer(raw):
    raw.send(b"GET /ping HTTP/1.0\r\nhost: localhost\r\n\r\n")
    assert raw.answer()[0] == 200
    assert raw.at_end()


def test_a_client_that_leaves_in_the_middle_harms_nobody(shared_harness, client):
    for _ in range(5):
        leaving = Raw(shared_harness.gateway.address)
        leaving.send(post(BODY) * 20 + post(BODY)[:40])
        leaving.close()
    assert client.post(URL, content=BODY).status_code == 200


def test_trailers_behind_a_chunked_body_are_limited_and_dropped(raw, client):
    head = b"POST %b HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n" % URL.encode()
    chunks = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
    raw.send(head + chunks + b"x-request-timeout-ms: none\r\n\r\n")
    assert raw.answer()[0] == 200
    raw.send(head + b"1\r\nx\r\n0\r\n")
    with contextlib.suppress(ConnectionError):  # it is closed while we go on
        for _ in range(400):
            raw.send((b"q: " + b"v" * 60 + b"\r\n") * 100)
    assert client.get("/v2/health/live").status_code == 200
    with contextlib.suppress(ConnectionError):
        assert raw.answer()[0] == 431


def test_gzip_bodies_are_unpacked(client):
    answer = client.post(URL, content=gzip.compress(BODY), headers={"content-encoding": "gzip"})
    assert answer.json() == {"predictions": [0]}


@pytest.mark.parametrize(
    ("content", "encoding", "status"),
    [
        (b"not gzip", "gzip", 400),
        (gzip.compress(BODY)[:-10], "gzip", 400),
        (gzip.compress(b" " * 20_000_000), "gzip", 413),
        (zlib.compress(BODY), "br", 415),
    ],
    ids=["not gzip", "cut off", "too large", "another"],  # of its own: gzip writes the time, processes must agree
)
def test_bad_encodings_are_refused(client, content, encoding, status):
    assert client.post(URL, content=content, headers={"content-encoding": encoding}).status_code == status


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:7080", "[::1]:1", "LOCALHOST:80"])
def test_requests_to_loopback_names_are_let_in(client, host):
    assert client.get("/ping", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "localhost:80:80"]
)
def test_a_foreign_host_is_refused(client, host):
    assert client.get("/ping", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_a_foreign_origin_is_refused(client, origin):
    assert client.post(URL, content=BODY, headers={"origin": origin}).status_code == 403


@pytest.mark.parametrize("origin", ["http://[", "http://localhost/path"])
def test_a_malformed_origin_is_refused_and_the_connection_goes_on(client, origin):
    assert client.get("/ping", headers={"host": "localhost", "origin": origin}).status_code == 403


@pytest.mark.parametrize(("mode", "status"), [("no-cors", 403), ("navigate", 200)])
def test_a_page_of_another_site_may_only_link_here(client, mode, status):
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": mode}
    assert client.get("/ping", headers=headers).status_code == status


def test_its_own_origin_is_let_in(shared_harness, client):
    assert client.get("/ping", headers={"origin": shared_harness.gateway.url}).status_code == 200


def test_a_missing_host_is_a_bad_request(raw):
    raw.send(b"GET /ping HTTP/1.1\r\n\r\n")
    assert raw.answer()[0] == 400


def test_head_has_the_length_but_no_body(raw):
    raw.send(b"HEAD /v2 HTTP/1.1\r\nhost: localhost\r\n\r\nGET /ping HTTP/1.1\r\nhost: localhost\r\n\r\n")
    status = raw.file.readline()
    while raw.file.readline().strip():
        pass
    assert b"200" in status
    assert raw.answer()[2] == b"\n"


def test_a_wrong_method_names_the_right_one(client):
    answer = client.get("/invocations")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert client.delete("/v2/models/iris").status_code == 405


def test_an_unknown_path_is_not_found(client):
    assert client.get("/nothing").status_code == 404
    assert client.get("/").status_code == 404
    assert client.get("/v2/nothing").json() == {"error": "nothing is served at '/v2/nothing'"}


def test_metrics_tell_requests_latency_and_readiness(client):
    client.post(URL, content=BODY)
    text = client.get("/metrics").text
    labels = 'deployment="iris",revision="1",rollout="0",stage="0"'
    assert f"helicline_requests_total{{{labels}}}" in text
    assert f'helicline_latency_seconds_bucket{{{labels},le="+Inf"}}' in text
    assert 'helicline_revision_ready{deployment="iris",revision="1"} 1' in text


@pytest.mark.parametrize("opening", [b"", b"POST /endpoints/iris/invocations HTTP/1.1\r\nhost: local"])
def test_idle_and_half_open_connections_of_one_peer_are_limited(shared_harness, client, opening):
    connections = [socket.create_connection(shared_harness.gateway.address, timeout=20) for _ in range(515)]
    for connection in connections:
        connection.sendall(opening)
    assert client.get("/v2/health/live").status_code == 200
    assert is_closed_by_peer(connections[0])
    connections[-1].sendall(
        b"GET /ping HTTP/1.1\r\nhost: localhost\r\n\r\n" if not opening else b"host\r\nx: y\r\n\r\n"
    )
    assert connections[-1].recv(8) == b"HTTP/1.1"
    for connection in connections:
        connection.close()
    assert "connections that are idle or half-open" in shared_harness.gateway.errors.read_text()
