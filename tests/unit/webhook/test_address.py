"""Where a webhook may not lead."""

from __future__ import annotations

import ipaddress

import pytest

from helicline.errors import Invalid
from helicline.webhooks import checked_url, is_public

CLOSED = [
    "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "100.100.100.200",
    "192.0.0.192", "192.0.0.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1",
    "fe80::1",
    "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::", "2001::1",
]  # fmt: skip
OPEN = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "64:ff9b::808:808", "2002:808:808::1"]
SPELLINGS = [
    "127.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "017700000001", "0", "127.0.0.1.", "1.2.3",
    "300.1.1.1", "0x",
    "localhost", "LOCALHOST", "localhost.", "x.localhost", "metadata.google.internal", "a.internal", "printer.local",
    "intranet",
    "metadata", "a..b", "-", "x" * 64 + ".com", "a_b-.com",
]  # fmt: skip
URLS = [
    "", "x", "ftp://example.com", "gopher://example.com/_x", "file:///etc/passwd", "javascript:alert(1)",
    "//example.com",
    "https://", "https:///x", "https://user@example.com", "https://user:pw@example.com", "https://:@example.com",
    "https://example.com:0", "https://example.com:99999", "https://example.com:x", "https://exa mple.com",
    "https://example.com/\r\nX: y",
    "https://example.com\\@127.0.0.1", "https://[::1", "https://ex\u0430mple.com", "https://example.com/\x00",
    "http://example.com",
    "https://127.0.0.1%2f@example.com", "https://" + "a" * 2100 + ".com",
]  # fmt: skip


@pytest.mark.parametrize("address", CLOSED)
def test_an_address_that_is_not_everybodys_is_refused(address: str):
    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(Invalid):
        checked_url(f"https://[{address}]/" if ":" in address else f"https://{address}/")


@pytest.mark.parametrize("address", OPEN)
def test_an_address_of_the_internet_is_taken(address: str):
    assert is_public(ipaddress.ip_address(address))
    assert checked_url(f"https://[{address}]/" if ":" in address else f"https://{address}/")


@pytest.mark.parametrize("host", SPELLINGS)
def test_a_host_that_reads_like_an_inner_one_is_refused(host: str):
    with pytest.raises(Invalid):
        checked_url(f"https://{host}/hook")


@pytest.mark.parametrize("url", URLS)
def test_what_is_no_plain_https_url_is_refused(url: str):
    with pytest.raises(Invalid):
        checked_url(url)


@pytest.mark.parametrize(
    "url", ["https://example.com/hook?a=b", "https://hooks.example.co.uk:8443/x", "https://xn--mnchen-3ya.de"]
)
def test_a_plain_https_url_is_taken(url: str):
    assert checked_url(url) == url


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/x", "http://localhost/x", "https://10.0.0.1", "http://collector/x"]
)
def test_the_setting_opens_the_own_network(url: str):
    assert checked_url(url, private=True) == url


@pytest.mark.parametrize("url", ["ftp://10.0.0.1", "http://127.1/", "http://user@10.0.0.1"])
def test_the_setting_opens_nothing_else(url: str):
    with pytest.raises(Invalid):
        checked_url(url, private=True)
