"""The check of Host and Origin that the server and the gateway share."""

import pytest

from helicline.origin_check import allowed_names, refusal

NAMES = allowed_names("Models.example, proxy.example:8443,")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:7070", "localhost:1", "LOCALHOST:80", "[::1]", "[::1]:7080", "models.example:80",
     "MODELS.example", "proxy.example:8443"],
)  # fmt: skip
def test_a_name_of_this_server_is_served(host):
    assert refusal(host, None, names=NAMES) is None


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "localhost.evil.example", "localhost.", "localhost:", "localhost:80:80", "localhost:999999",
     "localhost/x", "127.1", "[::1%eth0]", "localhost, localhost", "proxy.example", "proxy.example:1", "x@localhost"],
)  # fmt: skip
def test_any_other_name_is_refused(host):
    assert refusal(host, None, names=NAMES) == "unknown_host"


def test_a_request_without_a_host_is_refused():
    assert refusal(None, None, names=NAMES) == "no_host"


@pytest.mark.parametrize("origin", ["http://localhost:7080", "https://localhost:7080"])
def test_our_own_page_is_served(origin):
    assert refusal("LOCALHOST:7080", origin, names=NAMES, fetch_site="same-origin") is None


@pytest.mark.parametrize(
    "origin",
    ["", "null", "http://evil.example", "http://localhost", "http://localhost:7081", "http://localhost:7080/",
     "http://localhost:7080/path", "ftp://localhost:7080", "http://[", "http://localhost:7080, http://localhost:7080"],
)  # fmt: skip
def test_a_page_of_another_origin_is_refused(origin):
    assert refusal("localhost:7080", origin, names=NAMES, is_navigation=True) == "foreign_origin"


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none, cross-site"])
def test_a_page_of_another_site_may_link_here_and_nothing_more(site):
    assert refusal("localhost", None, names=NAMES, fetch_site=site) == "foreign_site"
    assert refusal("localhost", None, names=NAMES, fetch_site=site, is_navigation=True) is None


@pytest.mark.parametrize("site", ["", "none", "same-origin"])
def test_our_own_site_and_no_site_are_served(site):
    assert refusal("localhost", None, names=NAMES, fetch_site=site) is None
