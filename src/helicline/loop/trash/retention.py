"""The hourly round of the server that drops or archives what is older than the settings say (`log_keep` and so on)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from helicline import bus
from helicline.loop.context import Context
from helicline.loop.trash import old_events, old_log, old_process_logs, old_traces
from helicline.store.unit import Tx

PAUSE_S = 3600.0


class Retention(bus.PeriodicTask):
    """Drops what is too old or too much, every hour."""

    def __init__(self, context: Context) -> None:
        super().__init__("retention", pause_s=PAUSE_S)
        self._context = context

    def tick(self) -> int:
        """Drop what may go now; the next round comes after the pause."""
        old_traces.drop(self._context, self._write)
        old_process_logs.drop(self._context, self._write)
        old_log.drop(self._context, self._write)
        old_events.drop(self._context, self._write)
        return 0

    def _write(self, unit: Callable[[Tx], Counter[str]]) -> Counter[str]:
        return self._context.store.write(unit, actor="helicline")
