"""The origin check of server and gateway: pages of other origins cannot call them; a link may open a page.

A page in a browser can send requests to a loopback address, also under a DNS name that resolves to it. So a
request is served only under a name of this server, and only if no page of another origin has sent it. Browsers send
the origin in `Origin`, or in `Sec-Fetch-Site` for requests without Origin (an image, a script).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
Refusal = Literal["no_host", "unknown_host", "foreign_origin", "foreign_site"]
_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?")
_OTHER_SITES = ("cross-site", "same-site")


def allowed_names(setting: str) -> frozenset[str]:
    """Return the loopback names and those of the setting `allowed_hosts`; a name may have a port."""
    return LOOPBACK_NAMES | {name.strip().lower() for name in setting.split(",") if name.strip()}


def refusal(
    host: str | None,
    origin: str | None,
    *,
    names: frozenset[str],
    fetch_site: str = "",
    is_navigation: bool = False,
) -> Refusal | None:
    """Return why a request must be rejected, or None.

    Args:
        host, origin, fetch_site: the headers Host, Origin and Sec-Fetch-Site; values of a repeated header are joined
            by commas, and such a Host or Origin is rejected.
        names: the result of `allowed_names`.
        is_navigation: whether the browser opens a page (a GET with Sec-Fetch-Mode `navigate`), as from a link.
    """
    if host is None:
        return "no_host"
    host = host.lower()
    if not _is_named(host, names):
        return "unknown_host"
    if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
        return "foreign_origin"
    if not is_navigation and any(site in fetch_site for site in _OTHER_SITES):
        return "foreign_site"
    return None


@lru_cache(maxsize=256)  # the gateway calls it for every request, mostly with the same Host
def _is_named(host: str, names: frozenset[str]) -> bool:
    match = _HOST.fullmatch(host)
    return match is not None and (match["name"] in names or host in names)
