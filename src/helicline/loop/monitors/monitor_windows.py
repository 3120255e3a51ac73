"""Windows of monitors: read the evidence, judge it, record the window, open or close the alert."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from helicline.loop import loops
from helicline.loop.context import Context
from helicline.loop.evidence.sealed import sealed_until
from helicline.loop.monitors import outcome_watch
from helicline.loop.monitors.subject import Subject
from helicline.monitor import alerting, drift, label_delay, performance, quality, service, testable
from helicline.monitor.profile import Profile, decode, merged
from helicline.records.deployment import Revision
from helicline.records.monitor import Finding, LabelDelay, Monitor, MonitorSpec, Severity, Window
from helicline.serving.prediction_log import profiles as log_profiles
from helicline.serving.prediction_log import read as predictions
from helicline.serving.prediction_log.labels import LATE_LABELS, longest_delay, recent_delays
from helicline.store import nouns
from helicline.store.noun import Stale, column_value
from helicline.store.unit import Reader, Tx

WINDOWS_BEFORE = 200  # the newest before this version, among which one of the version before was judged
REACH = 16  # how many window lengths a window may reach back to find enough rows
# a window is as bad as its worst finding; what was not tested says nothing of it unless nothing was
RANK: dict[str, int] = {"insufficient_data": 0, "immature": 0, "ok": 1, "info": 2, "warning": 3, "critical": 4}


def windows_of_alert(spec: MonitorSpec) -> int:
    """Return how many windows alerts are judged by: windows that reach back overlap, and those do not count twice."""
    return (max(spec.of, spec.persist) + 1) * REACH


def label_of(tx: Reader, deployment: str) -> str:
    """Return the name of the feedback that is the label of a deployment."""
    loop = loops.of_deployment(tx, deployment)
    return loop.spec.label if loop else "label"


def subject_of(tx: Reader, name: str) -> Subject | None:
    """Return what serves in a deployment now, or None while nothing does."""
    deployment = nouns.DEPLOYMENTS.find(tx, name)
    if deployment is None or not deployment.stable:
        return None
    revision = nouns.REVISIONS.get(tx, name, deployment.stable)
    return Subject(deployment, revision, deployment.updated_at, reference_digest(tx, revision))


def reference_digest(tx: Reader, revision: Revision) -> str:
    """Return the blob of the profile that a revision is compared with, "" where there is none."""
    report = nouns.REPORTS.find(tx, revision.model, revision.model_version)
    return _accepted_reference(tx, revision) or (report.evidence.profile if report else "")


def _accepted_reference(tx: Reader, revision: Revision) -> str:
    """Return the reference that a person moved to what came in, "" where nobody did."""
    monitors = nouns.MONITORS.select(tx, nouns.MONITORS.table.c.deployment == revision.deployment)
    moved = (monitor.reference for monitor in monitors if monitor.reference_revision == revision.number)
    return next((reference for reference in moved if reference), "")


def look(context: Context, monitor: Monitor) -> int:
    """Judge and record the monitor's newest window; return 1, or 0 if something changed meanwhile."""
    now = context.store.clock.now()
    subject = context.store.read(lambda tx: subject_of(tx, monitor.deployment))
    return record(context, monitor, subject, window=_judged(context, monitor, subject, now=now) if subject else None)


def record(context: Context, monitor: Monitor, subject: Subject | None, *, window: Window | None) -> int:
    """Record a window; return 0 where the monitor, or the revision that serves, changed since its evidence was read."""
    try:
        context.store.write(lambda tx: _keep(tx, monitor, subject, window), actor="helicline")
    except Stale:
        return 0
    return 1


def postpone(tx: Tx, monitor: Monitor, why: str) -> None:
    """Record that a window could not be judged, and why; the next one is judged when it is due."""
    subject = subject_of(tx, monitor.deployment)
    window = Window(
        deployment=monitor.deployment,
        monitor=monitor.name,
        start=monitor.watched_until or monitor.created_at,
        end=tx.now,
        severity="insufficient_data",
        row_count=0,
        model_version=subject.revision.model_version if subject else 0,
        reason=f"it could not be judged: {why}",
        judged_at=tx.now,
    )
    _keep(tx, monitor, subject, window)


def _keep(tx: Tx, monitor: Monitor, subject: Subject | None, window: Window | None) -> None:
    if subject is not None and _serving_since(subject_of(tx, monitor.deployment)) != _serving_since(subject):
        raise Stale("monitor", monitor.id, "another revision began to serve while its window was judged")
    later = tx.now + timedelta(seconds=monitor.spec.window_s)
    watched_until = window.end if window else tx.now
    nouns.MONITORS.swap(tx, msgspec.structs.replace(monitor, wake_at=later, watched_until=watched_until))
    if window is None:
        return
    recent = latest_windows(tx, monitor.deployment, monitor.name, limit=windows_of_alert(monitor.spec))
    if recent and _is_idle(window) and _is_idle(recent[0]):
        # while nothing comes in, one window tells it as well as one each second, and hides none that was judged
        nouns.WINDOWS.delete(tx, recent[0].deployment, recent[0].monitor, recent[0].end)
    nouns.WINDOWS.put(tx, window)
    # windows of another model version say nothing about this one, for better or worse
    same = [earlier for earlier in recent if earlier.model_version == window.model_version]
    alerting.apply(tx, monitor.spec, window, same)
    if monitor.spec.roll_back and subject is not None and window.severity == "critical":
        outcome_watch.roll_back(tx, monitor, window)


def _serving_since(subject: Subject | None) -> tuple[int, datetime] | None:
    return (subject.revision.number, subject.since) if subject else None


def _is_idle(window: Window) -> bool:
    return window.severity == "insufficient_data" and window.row_count == 0


def next_look(tx: Reader, deployment: str) -> datetime | None:
    """Return when the next window of a deployment is due, None where nothing watches it."""
    monitors = nouns.MONITORS.select(tx, nouns.MONITORS.table.c.deployment == deployment)
    return min((monitor.wake_at for monitor in monitors if monitor.wake_at), default=None)


def latest_windows(tx: Reader, deployment: str, monitor: str, *, limit: int) -> list[Window]:
    """Return the windows that were judged last, the newest first."""
    column = nouns.WINDOWS.table.c
    return nouns.WINDOWS.select(
        tx, column.deployment == deployment, column.monitor == monitor, order=[column.judged_at.desc()], limit=limit
    )


def _judged(context: Context, monitor: Monitor, subject: Subject, *, now: datetime) -> Window:
    if monitor.spec.kind == "watch":
        return outcome_watch.judged(context, monitor, subject, now=now)
    delay = _label_delay(context, monitor, subject, now=now) if monitor.spec.kind == "performance" else None
    until = now - timedelta(seconds=delay.seconds) if delay else sealed_until(context, now)
    judge = {"performance": _performance, "service": _service}.get(monitor.spec.kind, _distribution)
    count, start, findings = judge(context, monitor, subject, now=until)
    enough = count >= monitor.spec.min_rows
    severity: Severity = "insufficient_data"
    if enough:
        severity = max((finding.severity for finding in findings), key=lambda severity: RANK[severity], default="ok")
    return Window(
        deployment=monitor.deployment,
        monitor=monitor.name,
        start=min(start, until),
        end=until,
        severity=severity,
        row_count=count,
        model_version=subject.revision.model_version,
        findings=tuple(findings) if enough else (),
        reason="" if enough else _reason(context, monitor, subject, count=count, delay=delay),
        label_delay=delay,
        judged_at=now,
    )


def _label_delay(context: Context, monitor: Monitor, subject: Subject, *, now: datetime) -> LabelDelay:
    """Return how old the predictions of a window must be: as the spec says, else as the labels say that came lately."""
    if monitor.spec.label_delay_s is not None:
        return label_delay.declared(monitor.spec.label_delay_s)
    name = _label_name(context, monitor)
    delays = recent_delays(context.home, monitor.deployment, name=name, now=now, enough=label_delay.LEAST_LABELS)
    return label_delay.learned(delays, (now - subject.deployment.created_at).total_seconds())


def _label_name(context: Context, monitor: Monitor) -> str:
    return monitor.spec.feedback or context.store.read(lambda tx: label_of(tx, monitor.deployment))


def _reason(context: Context, monitor: Monitor, subject: Subject, *, count: int, delay: LabelDelay | None) -> str:
    """Return why a window could not be judged."""
    if monitor.spec.kind in ("drift", "quality") and not subject.reference:
        return f"{subject.revision.model}/{subject.revision.model_version} has no reference to compare with"
    counted = f"{count} of at least {monitor.spec.min_rows} rows"
    if delay is None:
        return counted
    now = context.store.clock.now()
    mature_at = subject.since + timedelta(seconds=delay.seconds)
    if delay.seconds and now < mature_at:
        return f"the first labels of this revision are due at {mature_at:%Y-%m-%d %H:%M} UTC"
    late = longest_delay(context.home, monitor.deployment, now - LATE_LABELS) if count == 0 else None
    if late is not None and late > timedelta(seconds=delay.seconds + monitor.spec.window_s * REACH):
        days = late / timedelta(days=1)
        return f"{counted} with labels; they come up to {days:.1f} days late: hl.performance(..., label_delay=...)"
    return f"{counted} with labels"


def _starts(monitor: Monitor, subject: Subject, now: datetime) -> list[datetime]:
    """Return ever earlier starts for the window, none before the revision began to serve.

    A window of the inputs begins no later than the last one ended: nothing comes in between, however late this look is.
    """
    starts = [now - timedelta(seconds=monitor.spec.window_s * reach) for reach in (1, 2, 4, 8, REACH)]
    if monitor.watched_until is not None and monitor.spec.kind != "performance":
        starts = list(dict.fromkeys(min(start, monitor.watched_until) for start in starts))
    inside = [start for start in starts if start > subject.since]
    return inside if len(inside) == len(starts) else [*inside, subject.since]


def _distribution(
    context: Context, monitor: Monitor, subject: Subject, *, now: datetime
) -> tuple[int, datetime, list[Finding]]:
    reference = reference_of(context, subject)
    profile, start = Profile(), now
    for start in _starts(monitor, subject, now):
        parts = log_profiles.between(
            context.home, monitor.deployment, revision=subject.revision.number, since=start, until=now
        )
        profile = merged([decode(part) for part in parts])
        if profile.row_count >= monitor.spec.min_rows:
            break
    if reference is None or profile.row_count < monitor.spec.min_rows:
        return (profile.row_count if reference else 0), start, []
    judge = drift.findings if monitor.spec.kind == "drift" else quality.findings
    findings = judge(monitor.spec, reference, profile)
    if blind := testable.nothing_tested(findings):
        findings = [*findings, blind]
    if monitor.spec.kind == "drift":
        findings = [*findings, drift.of_prediction(monitor.spec, reference, profile)]
    return profile.row_count, start, findings


def _service(
    context: Context, monitor: Monitor, subject: Subject, *, now: datetime
) -> tuple[int, datetime, list[Finding]]:
    calls, start = service.Calls(), now
    for start in _starts(monitor, subject, now):
        count, failed, slow, p99_ms = predictions.service_of(
            context.home,
            monitor.deployment,
            revision=subject.revision.number,
            since=start,
            until=now,
            slow_ms=monitor.spec.p99_ms or 0.0,
        )
        calls = service.Calls(count=count, failed=failed, slow=slow, p99_ms=p99_ms)
        if calls.count >= monitor.spec.min_rows:
            break
    return calls.count, start, service.findings(monitor.spec, calls)


def reference_of(context: Context, subject: Subject) -> Profile | None:
    """Return the profile that windows are compared with, None where there is none."""
    return decoded(context, subject.reference) if subject.reference else None


def decoded(context: Context, digest: str) -> Profile:
    """Return the profile of a blob."""
    return decode(b"".join(context.blobs.read(digest)))


def _performance(
    context: Context, monitor: Monitor, subject: Subject, *, now: datetime
) -> tuple[int, datetime, list[Finding]]:
    label = _label_name(context, monitor)
    starts = _starts(monitor, subject, now)
    rows = predictions.labelled(context.home, monitor.deployment, since=starts[-1], until=now, label=label)
    for start in starts:
        chosen = performance.chosen(rows, revision=subject.revision.number, since=start)
        if len(chosen["label"]) >= monitor.spec.min_rows:
            break
    before = context.store.read(lambda tx: _before(tx, monitor, subject)) if monitor.spec.drop is not None else None
    return len(chosen["label"]), start, performance.findings(monitor.spec, chosen, before)


def _before(tx: Reader, monitor: Monitor, subject: Subject) -> Finding | None:
    """Return the last finding of the monitor's metric for the version that served before this one."""
    column = nouns.WINDOWS.table.c
    earlier = nouns.WINDOWS.select(
        tx,
        column.deployment == monitor.deployment,
        column.monitor == monitor.name,
        column.end <= column_value(subject.since),
        order=[column.end.desc()],
        limit=WINDOWS_BEFORE,
    )
    findings = (
        finding
        for window in earlier
        if window.model_version != subject.revision.model_version
        for finding in window.findings
        if testable.is_tested(finding)
    )
    return next(findings, None)
