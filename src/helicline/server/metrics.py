"""Prometheus metrics (text format 0.0.4) of the control plane."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import helicline
from helicline.loop.context import Context
from helicline.loop.overview import status
from helicline.server.filter import Send
from helicline.store import nouns
from helicline.store.unit import Reader


def _lines(tx: Reader) -> Iterator[str]:
    current = status.read(tx, version=helicline.__version__)
    yield "# TYPE helicline_events_total counter"
    yield f"helicline_events_total {current.seq}"
    for name in ("count", "moving", "trouble"):
        yield f"# TYPE helicline_station_{name} gauge"
        for station in current.stations:
            yield f'helicline_station_{name}{{station="{station.name.lower()}"}} {getattr(station, name)}'
    yield "# TYPE helicline_needs_you gauge"
    yield f"helicline_needs_you {len(current.needs)}"
    yield "# TYPE helicline_alert_firing gauge"
    for alert in nouns.ALERTS.select(tx, nouns.ALERTS.table.c.state != "resolved"):
        yield f'helicline_alert_firing{{deployment="{alert.deployment}",monitor="{alert.monitor}"}} 1'
    if current.gateway_seen_s is not None:
        yield "# TYPE helicline_gateway_last_report_seconds gauge"
        yield f"helicline_gateway_last_report_seconds {current.gateway_seen_s:.3f}"


async def exposition(context: Context, send: Send) -> None:
    """Answer a scrape."""
    text = await asyncio.to_thread(context.store.read, lambda tx: "\n".join(_lines(tx)) + "\n")
    headers = [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
