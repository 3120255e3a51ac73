"""The check of webhook URLs: only public addresses, in whatever notation."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from helicline.errors import Invalid
from helicline.tracking.checks import checked_length, checked_text

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# `is_global` does not exclude these: metadata of providers (192.0.0.192), and IPv4 addresses inside of IPv6 ones
NON_PUBLIC_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in ("192.0.0.0/24", "100.64.0.0/10", "224.0.0.0/4", "240.0.0.0/4", "fec0::/10", "ff00::/8",
    "64:ff9b:1::/48",
                    "2001::/23", "fd00:ec2::/32")
)  # fmt: skip
NAT64 = ipaddress.ip_network("64:ff9b::/96")
INTERNAL_NAMES = ("localhost", "localhost.localdomain", "metadata", "metadata.google.internal", "instance-data")
INTERNAL_SUFFIXES = (".localhost", ".internal", ".local", ".localdomain", ".home.arpa", ".lan")
LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


def is_public(address: Address) -> bool:
    """Return whether the address is public on the internet."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not any(
        address.version == network.version and address in network for network in NON_PUBLIC_NETWORKS
    )


def checked_url(url: str, *, private: bool = False) -> str:
    """Return the URL. Raises Invalid where it must not be called; its host name is resolved when a message is sent.

    With `private` plain http and private addresses are allowed, for receivers beside the server.
    """
    field = "url"
    checked_text(field, checked_length(field, 2048, url))
    if not url.isascii() or re.search(r"[\s\\\x00-\x20\x7f]", url):
        raise Invalid(field, url, "a URL of plain ASCII characters, without blanks")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Invalid(field, url, f"a URL: {error}") from None
    schemes = ("https", "http") if private else ("https",)
    if parts.scheme not in schemes:
        raise Invalid(
            field, url, f"Invalid webhook URL scheme: {parts.scheme!r}. Allowed schemes are: {', '.join(schemes)}."
        )
    if parts.username is not None or parts.password is not None:
        raise Invalid(field, url, "a URL without embedded credentials")
    if port == 0:
        raise Invalid(field, url, "a URL with a port from 1 to 65535")
    _check_host(field, url, parts.hostname or "", private=private)
    return url


def _check_host(field: str, url: str, host: str, *, private: bool) -> None:
    if not host:
        raise Invalid(field, url, "a URL that includes a hostname")
    address = parse_address(host)
    if address is None:
        labels = host.removesuffix(".").split(".")
        # a last label that is a number makes an old IPv4 notation (127.1, 0x7f.1, 2130706433), never a name
        if re.fullmatch(r"[0-9]+|0[xX][0-9a-fA-F]*", labels[-1]):
            raise Invalid(field, url, f"host {host!r} is not a canonical IP address literal.")
        if len(host) > 253 or not all(LABEL.fullmatch(label) for label in labels):
            raise Invalid(field, url, "a URL with a host name")
        name = host.removesuffix(".").lower()
        if not private and (name in INTERNAL_NAMES or name.endswith(INTERNAL_SUFFIXES) or "." not in name):
            raise Invalid(field, url, "It must not lead to a non-public address.")
    elif not private and not is_public(address):
        raise Invalid(field, url, f"It must not lead to a non-public IP address. {host!r} is one.")


def parse_address(host: str) -> Address | None:
    """Parse `host` as an IP address; return None if it is a DNS name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0] if ":" in host else host)
    except ValueError:
        return None
