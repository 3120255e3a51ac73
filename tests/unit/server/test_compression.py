"""JSON answers and built files in the codings that a client accepts, and what is never compressed."""

import asyncio
import gzip
import json

import pytest
import zstandard

from helicline.server.compression import JsonCompression, choose_coding
from helicline.server.web import WebUi

LONG = json.dumps({"items": ["a run with a name"] * 500}).encode()
SCRIPT = b"const one = 1;\n" * 400


def scope(accept, **more):
    headers = [(b"accept-encoding", accept.encode())] if accept is not None else []
    headers += [(name.replace("_", "-").encode(), value) for name, value in more.pop("headers", {}).items()]
    return {"type": "http", "method": "GET", "path": "/api/v1/runs", "headers": headers, **more}


def answer_of(app, request_scope):
    """Return the status, the headers and the pieces of the body that an application sends."""
    sent = []

    async def send(message):
        sent.append(dict(message))

    asyncio.run(app(request_scope, None, send))
    return sent[0]["status"], dict(sent[0]["headers"]), [message["body"] for message in sent[1:]]


def api(*pieces, media_type=b"application/json", **headers):
    async def app(_scope, _receive, send):
        pairs = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
        length = (b"content-length", str(sum(map(len, pieces))).encode())
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", media_type), length, *pairs]}
        )
        for index, piece in enumerate(pieces):
            await send({"type": "http.response.body", "body": piece, "more_body": index < len(pieces) - 1})

    return JsonCompression(app)


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        (None, ""), ("", ""), ("gzip", "gzip"), ("gzip, deflate, br, zstd", "zstd"), ("zstd;q=0.1, gzip;q=0.9", "gzip"),
        ("zstd;q=0, gzip", "gzip"), ("*", "zstd"), ("identity", ""), ("gzip;q=x", ""), ("*;q=0", ""), ("br", ""),
    ],
)  # fmt: skip
def test_the_coding_is_what_the_client_weighs_most(accept, coding):
    assert choose_coding(scope(accept), ("zstd", "gzip")) == coding


def test_long_json_is_compressed_and_its_length_and_coding_are_right():
    _, headers, [body] = answer_of(api(LONG), scope("zstd"))
    assert zstandard.decompress(body) == LONG
    assert headers[b"content-encoding"] == b"zstd"
    assert headers[b"content-length"] == str(len(body)).encode()
    assert headers[b"vary"] == b"Accept-Encoding"


def test_very_long_json_is_compressed_in_a_thread():
    _, _, [body] = answer_of(api(LONG * 40), scope("gzip"))
    assert gzip.decompress(body) == LONG * 40


@pytest.mark.parametrize(
    ("app", "accept"),
    [
        (api(b"{}"), "gzip"),
        (api(LONG), "identity"),
        (api(LONG, media_type=b"text/event-stream"), "gzip"),
        (api(LONG, cache_control=b"no-store"), "gzip"),
        (api(LONG, content_encoding=b"br"), "gzip"),
        (api(LONG, LONG), "gzip"),
    ],
    ids=["short", "not accepted", "stream", "secret", "compressed already", "in pieces"],
)
def test_what_is_not_compressed(app, accept):
    _, headers, pieces = answer_of(app, scope(accept))
    assert headers.get(b"content-encoding") in (None, b"br")
    assert set(pieces) <= {LONG, b"{}"}


@pytest.fixture
def web(tmp_path):
    (tmp_path / "assets").mkdir()
    for name in ("assets/index-1.js", "index.html"):
        (tmp_path / name).write_bytes(SCRIPT)
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(SCRIPT))
    (tmp_path / "assets/index-1.js.br").write_bytes(b"brotli")
    (tmp_path / "small.svg").write_bytes(b"<svg/>")
    return WebUi(tmp_path)


def test_a_built_file_is_served_as_the_build_compressed_it(web):
    _, headers, [body] = answer_of(web, scope("gzip, br", path="/assets/index-1.js"))
    assert (body, headers[b"content-encoding"]) == (b"brotli", b"br")
    assert headers[b"vary"] == b"Accept-Encoding"
    assert headers[b"cache-control"] == b"public, max-age=31536000, immutable"
    assert headers[b"content-type"].startswith(b"text/javascript")


def test_a_client_that_accepts_no_coding_gets_the_file_itself(web):
    _, headers, [body] = answer_of(web, scope(None, path="/assets/index-1.js"))
    assert body == SCRIPT
    assert b"content-encoding" not in headers


def test_the_page_is_asked_for_each_time_and_sent_only_where_it_changed(web):
    status, headers, [body] = answer_of(web, scope("gzip", path="/turns"))
    assert (status, gzip.decompress(body), headers[b"cache-control"]) == (200, SCRIPT, b"no-cache")
    again = scope("gzip", path="/", headers={"if_none_match": headers[b"etag"]})
    assert answer_of(web, again)[::2] == (304, [b""])
    other_coding = scope(None, path="/", headers={"if_none_match": headers[b"etag"]})
    assert answer_of(web, other_coding)[0] == 200


def test_compressed_copies_have_no_address_of_their_own(web):
    assert answer_of(web, scope(None, path="/assets/index-1.js.gz"))[0] == 404
