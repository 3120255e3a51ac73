"""Sends one signed POST to a webhook. It connects to the address that it checked, not to a second resolution."""

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
from helicline.webhooks import Outcome, checked_url, is_public

HTTP_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
TIMEOUT_S = 20.0
MAX_ANSWER_BYTES = 4096


class PostResult(Outcome, frozen=True, kw_only=True):
    """The outcome of a delivery with the beginning of the receiver's answer."""

    body: str = ""


def signature(secret: str, body: str, *, delivery_id: str, timestamp: str) -> str:
    """Return `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`."""
    signed = f"{delivery_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def headers(secret: str, body: str, *, delivery_id: str, timestamp: str) -> dict[str, str]:
    """Return the headers of the POST; without a secret there is no signature."""
    values = {
        "Content-Type": "application/json",
        "User-Agent": "helicline-webhook",
        "X-MLflow-Delivery-Id": delivery_id,
        "X-MLflow-Timestamp": timestamp,
    }
    if secret:
        values["X-MLflow-Signature"] = signature(secret, body, delivery_id=delivery_id, timestamp=timestamp)
    return values


def post(url: str, body: str, headers: dict[str, str], *, private: bool, timeout_s: float = TIMEOUT_S) -> PostResult:
    """Send the POST and return its outcome, after `timeout_s` at the latest: a receiver may answer byte by byte.

    Redirects are not followed, and proxies of the environment are not used.
    """
    try:
        checked_url(url, private=private)
        address = _resolved(url, private=private)
    except Invalid as error:
        return PostResult(error=str(error), refused=True)
    except OSError as error:
        return PostResult(error=f"its name does not resolve: {error}")
    parts = urlsplit(url)
    host = parts.hostname or ""
    pinned = httpx.URL(url).copy_with(host=address)
    request_headers = headers | {"Host": parts.netloc}

    async def request() -> PostResult:
        async with (
            asyncio.timeout(timeout_s),
            httpx.AsyncClient(timeout=HTTP_TIMEOUT, trust_env=False, follow_redirects=False) as client,
            client.stream(
                "POST", pinned, content=body, headers=request_headers, extensions={"sni_hostname": host}
            ) as answer,
        ):
            return PostResult(
                status=answer.status_code, error=_error(answer.status_code), body=await _first_bytes(answer)
            )

    try:
        return asyncio.run(request())
    except TimeoutError:
        return PostResult(error=f"the receiver did not answer whole within {timeout_s:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return PostResult(error=f"{type(error).__name__}: {error}")


def _error(status: int) -> str:
    return "" if 200 <= status < 300 else f"the receiver answered {status}"


async def _first_bytes(answer: httpx.Response) -> str:
    content = b""
    async for piece in answer.aiter_raw():
        content += piece
        if len(content) >= MAX_ANSWER_BYTES:
            break
    return content[:MAX_ANSWER_BYTES].decode(errors="replace").replace("\0", "")


def _resolved(url: str, *, private: bool) -> str:
    """Return one address of the URL's host. Raises Invalid where any of its addresses is not public."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    addresses = [str(info[4][0]) for info in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)]
    for address in addresses:
        if not private and not is_public(ipaddress.ip_address(address.partition("%")[0])):
            raise Invalid("url", url, f"It must not resolve to a non-public IP address, but does to {address}.")
    return addresses[0]
