"""The client of the control plane: the desired state comes by long poll, the observed state is put back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import httpx
import msgspec

from helicline.records.deployment import Desired, Observed

_log = logging.getLogger("helicline.gateway")
_WAIT_S = 20
_BUSY_S, _IDLE_S = 0.5, 2.0
_RETRY_MAX_S = 5.0


class ControlPlaneClient:
    """Pulls and pushes until cancelled; while the server cannot be reached the gateway serves on."""

    def __init__(self, client: httpx.AsyncClient, apply: Callable[[Desired], None]) -> None:
        self._client, self._apply = client, apply
        self._changed = asyncio.Event()
        self.reachable = False

    def changed(self) -> None:
        """Have the observed state pushed now."""
        self._changed.set()

    async def pull(self) -> None:
        """Apply every new generation; the first answer is applied even when it is older than the saved table."""
        after, delay = 0, 0.1
        while True:
            try:
                desired = await self._get_desired(after)
            except (httpx.HTTPError, msgspec.MsgspecError) as error:
                if self.reachable:
                    _log.warning("the server cannot be reached, serving goes on: %s", error or type(error).__name__)
                self.reachable = False
                await asyncio.sleep(delay)
                delay = min(delay * 2, _RETRY_MAX_S)
                continue
            self.reachable, delay = True, 0.1
            if desired is not None:
                after = desired.generation
                self._apply(desired)

    async def _get_desired(self, after: int) -> Desired | None:
        response = await self._client.get(
            "/api/v1/gateway/desired",
            params={"after": after, "wait_s": _WAIT_S},
            timeout=httpx.Timeout(_WAIT_S + 10.0, connect=3.0),
        )
        if response.status_code == 204:
            return None
        response.raise_for_status()
        return msgspec.json.decode(response.content, type=Desired)

    async def push(self, observe: Callable[[], Observed]) -> None:
        """Put the observed state: at once after a change, every 0.5 s while counts grow, else every 2 s."""
        last: Observed | None = None
        idle = 0.0
        while True:
            observed = observe()
            if observed != last or idle >= _IDLE_S:
                idle = 0.0
                if await self._put_observed(observed):
                    last = observed
            idle += _BUSY_S
            try:
                await asyncio.wait_for(self._changed.wait(), _BUSY_S)
            except TimeoutError:
                continue
            self._changed.clear()

    async def _put_observed(self, observed: Observed) -> bool:
        try:
            response = await self._client.put(
                "/api/v1/gateway/observed",
                content=msgspec.json.encode(observed),
                headers={"content-type": "application/json"},
                timeout=5.0,
            )
        except httpx.HTTPError:
            return False
        return response.is_success
