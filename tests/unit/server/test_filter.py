"""Who may come in: a table of Host, Origin and what browsers tell."""

import asyncio
import hashlib
from datetime import timedelta

import pytest

from helicline.errors import Refused, Unauthenticated
from helicline.records.access import Token
from helicline.server.filter import BROWSER_HEADERS, Authenticator, Filter
from helicline.settings import Settings
from helicline.store import nouns
from helicline.store.database import Store
from helicline.store.migrations import upgrade
from support.records import NOW


@pytest.fixture
def one_store(tmp_path, clock):
    opened = Store(f"sqlite:///{tmp_path / 'meta.db'}", clock)
    upgrade(opened)
    yield opened
    opened.close()


def scope(method="GET", host="127.0.0.1:7070", client="127.0.0.1", **headers):
    pairs = [(b"host", host.encode("latin-1"))] if host is not None else []
    pairs += [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": "/", "headers": pairs, "client": (client, 1)}


def authenticate(store, request_scope, **settings):
    return Authenticator(Settings(**settings), store).authenticate(request_scope)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:7070", "localhost:1", "LOCALHOST", "[::1]", "[::1]:7070", "hl.example:80"]
)
def test_our_own_names_are_served(one_store, host):
    assert authenticate(one_store, scope(host=host), allowed_hosts="hl.example").name == "local"


@pytest.mark.parametrize(
    "host",
    [
        None, "", "evil.example", "127.0.0.1.nip.io", "localhost.evil.example", "localhost.", "127.0.0.1:80@evil",
        "evil@127.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0x7f.1", "localhost/x",
        "localhost?x", "localhost#x", "localhost\\x", " localhost", "localhost:", "localhost:999999", "[::1%eth0]",
        "127.0.0.1,evil.example", "loc\xe4lhost", "%6cocalhost",
    ],
)  # fmt: skip
def test_a_name_that_could_be_rebound_is_refused(one_store, host):
    with pytest.raises(Refused, match="not a name of this server"):
        authenticate(one_store, scope(host=host))


def test_two_hosts_are_refused(one_store):
    request_scope = scope()
    request_scope["headers"].append((b"Host", b"127.0.0.1"))
    with pytest.raises(Refused):
        authenticate(one_store, request_scope)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "origin",
    ["null", "https://evil.example", "http://localhost:9999", "http://127.0.0.1", "file://", "http://127.0.0.1:70701",
     "http://x.127.0.0.1:7070", ""],
)  # fmt: skip
def test_a_page_of_another_origin_is_refused_whatever_the_method(one_store, method, origin):
    with pytest.raises(Refused, match="foreign"):
        authenticate(one_store, scope(method, origin=origin))


def test_our_own_page_is_served(one_store):
    request_scope = scope("POST", origin="http://127.0.0.1:7070", sec_fetch_site="same-origin", sec_fetch_mode="cors")
    assert authenticate(one_store, request_scope).role == "admin"


@pytest.mark.parametrize(
    ("method", "site", "mode", "served"),
    [
        ("GET", "cross-site", "navigate", True),
        ("GET", "cross-site", "no-cors", False),
        ("GET", "same-site", "cors", False),
        ("POST", "cross-site", "navigate", False),
        ("GET", "none", "navigate", True),
        ("GET", "same-origin", "cors", True),
    ],
)
def test_another_sites_page_may_link_here_and_nothing_more(one_store, method, site, mode, served):
    request_scope = scope(method, sec_fetch_site=site, sec_fetch_mode=mode)
    if served:
        assert authenticate(one_store, request_scope).name == "local"
    else:
        with pytest.raises(Refused):
            authenticate(one_store, request_scope)


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "get", "FOO"])
def test_a_strange_method_is_refused(one_store, method):
    with pytest.raises(Refused):
        authenticate(one_store, scope(method))


def test_a_request_that_two_servers_would_read_differently_is_refused(one_store):
    with pytest.raises(Refused, match="both"):
        authenticate(one_store, scope("POST", content_length="4", transfer_encoding="chunked"))


def test_other_machines_and_token_mode_need_a_token(one_store):
    assert authenticate(one_store, scope(client="10.0.0.7")).role == ""
    assert authenticate(one_store, scope(), auth="token").role == ""


def keep(store, secret, **more):
    fields = {"id": "t", "name": "ci", "role": "viewer", "created_at": NOW, **more}
    token = Token(secret_sha256=hashlib.sha256(secret.encode()).hexdigest(), **fields)
    store.write(lambda tx: nouns.TOKENS.insert(tx, token))


def test_a_token_gives_its_name_and_role(one_store):
    keep(one_store, "s3cret")
    caller = authenticate(one_store, scope(authorization="Bearer s3cret", client="10.0.0.7"), auth="token")
    assert (caller.name, caller.role, caller.may("read"), caller.may("write")) == ("ci", "viewer", True, False)


def test_the_stock_clients_password_is_a_token(one_store):
    keep(one_store, "s3cret")
    assert authenticate(one_store, scope(authorization="Basic Y2k6czNjcmV0")).name == "ci"


@pytest.mark.parametrize(
    "header", ["Bearer wrong", "Bearer ", "Bearer", "Basic !!!", "Basic Og==", "Digest x", "", "Bearer s3cret extra"]
)
def test_what_is_no_token_is_refused_even_in_local_mode(one_store, header):
    keep(one_store, "s3cret")
    with pytest.raises(Unauthenticated):
        authenticate(one_store, scope(authorization=header))


@pytest.mark.parametrize("more", [{"expires_at": NOW}, {"revoked_at": NOW - timedelta(days=1)}])
def test_an_expired_or_revoked_token_is_refused(one_store, more):
    keep(one_store, "s3cret", **more)
    with pytest.raises(Unauthenticated):
        authenticate(one_store, scope(authorization="Bearer s3cret"))


@pytest.mark.parametrize(
    ("request_scope", "is_told"),
    [
        (scope(), True),
        (scope("POST", content_type="text/plain"), True),
        (scope("POST", content_type="multipart/form-data"), True),
        (scope("POST", content_type="application/json"), False),
        (scope("POST", content_type="application/json; charset=utf-8"), False),
    ],
)
def test_browsers_are_told_how_to_treat_an_answer_unless_none_could_show_it(one_store, request_scope, is_told):
    sent = []

    async def app(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-frame-options", b"SAMEORIGIN")]})

    async def keep(message):
        sent.append(message)

    async def refuse(error, _scope, _send):
        raise error

    asyncio.run(Filter(app, Authenticator(Settings(), one_store), refuse)(request_scope, None, keep))
    names = [name for name, _ in sent[0]["headers"]]
    assert (b"x-request-id" in names, names.count(b"x-frame-options")) == (True, 1)
    assert {name for name, _ in BROWSER_HEADERS} <= {*names} or not is_told
    assert (b"x-content-type-options" in names) == is_told
