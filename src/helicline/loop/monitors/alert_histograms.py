"""What the columns of an alert looked like in the reference, and in the window that showed them at last."""

from __future__ import annotations

from datetime import datetime

from helicline.loop.context import Context
from helicline.loop.monitors.broken_data import KINDS
from helicline.loop.monitors.monitor_windows import decoded, reference_digest
from helicline.monitor import histogram
from helicline.monitor.profile import Profile, decode, merged
from helicline.records.deployment import Revision
from helicline.records.monitor import Alert
from helicline.serving.prediction_log import profiles as log_profiles
from helicline.store import nouns
from helicline.store.unit import Reader

MOST_COLUMNS = 24


def of(context: Context, alert: Alert) -> list[histogram.Histogram]:
    """Return a histogram for each column that the alert names, in its order; none where the log has lost its rows."""
    if alert.kind not in KINDS or alert.window_start is None or alert.window_end is None:
        return []
    revisions = context.store.read(lambda tx: _revisions(tx, alert))
    digest = context.store.read(lambda tx: reference_digest(tx, revisions[-1])) if revisions else ""
    if not digest:
        return []
    reference, window = (
        decoded(context, digest),
        _window(context, revisions, since=alert.window_start, until=alert.window_end),
    )
    if not window.row_count:
        return []
    names = dict.fromkeys(finding.column for finding in alert.findings)
    columns = [(name, column) for name in names if (column := reference.column(name)) is not None]
    return [histogram.of(name, column, window.column(name)) for name, column in columns[:MOST_COLUMNS]]


def _revisions(tx: Reader, alert: Alert) -> list[Revision]:
    """Return the revisions of the version that the alert is about, the oldest first."""
    column = nouns.REVISIONS.table.c
    revisions = nouns.REVISIONS.select(tx, column.deployment == alert.deployment, order=[column.number])
    return [revision for revision in revisions if revision.model_version == alert.model_version]


def _window(context: Context, revisions: list[Revision], *, since: datetime, until: datetime) -> Profile:
    parts = [
        part
        for row in revisions
        for part in log_profiles.between(context.home, row.deployment, revision=row.number, since=since, until=until)
    ]
    return merged([decode(part) for part in parts])
