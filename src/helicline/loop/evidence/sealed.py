"""Up to when the prediction log can be seen whole."""

from __future__ import annotations

from datetime import datetime, timedelta

from helicline.loop.context import Context
from helicline.serving.prediction_log.files import unsealed_since

UNSEALED_S = 60.0  # a gateway that is gone may leave a segment; nobody waits for it longer, or than for two others


def sealed_until(context: Context, now: datetime, *tables: str) -> datetime:
    """Return up to when all of the log can be seen: a segment that is not sealed yet belongs to the next window."""
    opened_at = unsealed_since(context.home, *tables)
    patience = timedelta(seconds=max(UNSEALED_S, 2 * context.settings.log_seal_s))
    return max(min(opened_at, now), now - patience) if opened_at else now
