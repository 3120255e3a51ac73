"""One signed POST to a webhook. The address that was checked is the one that is connected to."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import socket
from urllib.parse import urlsplit

import httpx

from helicline.errors import Invalid
from helicline.webhook import Outcome, checked_url, is_public

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
PATIENCE_S = 20.0
MAX_ANSWER = 4096


class Answered(Outcome, frozen=True, kw_only=True):
    """An outcome with the beginning of what the receiver answered."""

    body: str = ""


def signature(secret: str, delivery_id: str, timestamp: str, body: str) -> str:
    """Return `v1,` and the base64 HMAC-SHA256 over id, time and body, joined by dots."""
    signed = f"{delivery_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def headers(secret: str, delivery_id: str, timestamp: str, body: str) -> dict[str, str]:
    """Return what goes with the body; without a secret it is not signed."""
    values = {
        "Content-Type": "application/json",
        "User-Agent": "helicline-webhook",
        "X-MLflow-Delivery-Id": delivery_id,
        "X-MLflow-Timestamp": timestamp,
    }
    if secret:
        values["X-MLflow-Signature"] = signature(secret, delivery_id, timestamp, body)
    return values


def post(
    url: str, body: str, own_headers: dict[str, str], *, private: bool, patience_s: float = PATIENCE_S
) -> Answered:
    """Send and return how it ended, after `patience_s` at the latest: a receiver may answer byte by byte.

    Redirects are not followed, proxies of the environment not used.
    """
    try:
        checked_url(url, private=private)
        address = _resolved(url, private=private)
    except Invalid as error:
        return Answered(error=str(error), refused=True)
    except OSError as error:
        return Answered(error=f"its name does not resolve: {error}")
    parts = urlsplit(url)
    host = parts.hostname or ""
    pinned = httpx.URL(url).copy_with(host=address)
    named = own_headers | {"Host": parts.netloc}

    async def sent() -> Answered:
        async with (
            asyncio.timeout(patience_s),
            httpx.AsyncClient(timeout=TIMEOUT, trust_env=False, follow_redirects=False) as client,
            client.stream("POST", pinned, content=body, headers=named, extensions={"sni_hostname": host}) as answer,
        ):
            return Answered(status=answer.status_code, error=_error(answer.status_code), body=await _begin(answer))

    try:
        return asyncio.run(sent())
    except TimeoutError:
        return Answered(error=f"the receiver did not answer whole within {patience_s:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Answered(error=f"{type(error).__name__}: {error}")


def _error(status: int) -> str:
    return "" if 200 <= status < 300 else f"the receiver answered {status}"


async def _begin(answer: httpx.Response) -> str:
    content = b""
    async for piece in answer.aiter_raw():
        content += piece
        if len(content) >= MAX_ANSWER:
            break
    return content[:MAX_ANSWER].decode(errors="replace").replace("\0", "")


def _resolved(url: str, *, private: bool) -> str:
    """Return one address of the URL's host. Raises Invalid where any of them is not public."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    addresses = [str(info[4][0]) for info in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)]
    for address in addresses:
        if not private and not is_public(ipaddress.ip_address(address.partition("%")[0])):
            raise Invalid("url", url, f"It must not resolve to a non-public IP address, but does to {address}.")
    return addresses[0]
