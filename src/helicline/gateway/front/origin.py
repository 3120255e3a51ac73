"""Which requests are let in by Host and Origin: no page from elsewhere may reach a loopback gateway."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

_LOOPBACK = frozenset(("127.0.0.1", "localhost", "[::1]"))


class Doorman:
    """Judges Host and Origin; its verdicts on hosts are remembered."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(host.strip().lower() for host in allowed if host.strip())
        self._known: dict[bytes, bool] = {}

    def refusal(self, host: bytes | None, origin: bytes | None) -> tuple[int, str] | None:
        """Return the status and reason to refuse with, or None to let the request in."""
        if host is None:
            return 400, "the Host header is missing"
        if not self._knows(host):
            return (
                403,
                f"the host {host.decode('latin-1')!r} is not served here; see the setting allowed_hosts",
            )
        if origin is not None and not self._own(origin.decode("latin-1").lower(), host.decode("latin-1").lower()):
            return 403, f"requests from the origin {origin.decode('latin-1')!r} are not taken"
        return None

    def _knows(self, host: bytes) -> bool:
        found = self._known.get(host)
        if found is None:
            found = self._judge(host.decode("latin-1").lower())
            if len(self._known) < 256:
                self._known[host] = found
        return found

    def _judge(self, host: str) -> bool:
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        port = host[len(name) + 1 :]
        if port and not port.isdecimal():
            return False
        return name in _LOOPBACK or name in self._allowed or host in self._allowed

    def _own(self, origin: str, host: str) -> bool:
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc == host
