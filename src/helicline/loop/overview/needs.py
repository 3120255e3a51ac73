"""What needs a person: asked, stopped, failed, held, missing. Each with the one next step, where there is one."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import msgspec

from helicline.access import audit_archive
from helicline.data import contracts
from helicline.loop import audits
from helicline.loop.overview import servers
from helicline.records.loop import RESTING, Turn
from helicline.records.notification import MANY_ATTEMPTS
from helicline.serving import deployments, gateways
from helicline.serving.deployments import Serving
from helicline.store import nouns
from helicline.store.noun import column_value
from helicline.store.rows import event as events
from helicline.store.rows import overview as rows
from helicline.store.unit import Reader

GATEWAY_SILENT_S = 30.0
WORKER_SILENT_S = 60.0
MOST_LOST = 500  # events of lost feedback that are read
NO_ANSWER = ("inconclusive", "no_data", "error")  # of a check: neither passed nor failed
LOOK_BACK = timedelta(days=7)  # what failed longer ago, and nobody minded, needs nobody


class NextStep(msgspec.Struct, frozen=True, kw_only=True):
    """What would help, as a button: a request to our API, and the same as a command."""

    label: str
    path: str
    body: dict[str, Any] = {}
    command: str = ""


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """Something that waits for a person. `subject` is what it is about, where its id does not begin with that."""

    kind: str
    id: str
    sentence: str
    link: str
    next_step: NextStep | None = None
    subject: str = ""


def needs_of(tx: Reader) -> list[Need]:
    """Return all that needs a person, what is worst first; the number of statements is fixed."""
    serving = [row for row in deployments.serving(tx) if row.deployment.stable]
    return [
        *_missing_processes(tx, serving),
        *_unshared(tx),
        *_anchor(tx),
        *_revisions(serving),
        *_alerts(tx),
        *_quarantined(tx),
        *_requests(tx),
        *_paused_loops(tx),
        *_paused_rollouts(tx),
        *_turns(tx),
        *_failed_pipeline_runs(tx),
        *_webhooks(tx),
        *_notifications(tx),
        *_lost_feedback(tx),
    ]


def _missing_processes(tx: Reader, serving: list[Serving]) -> list[Need]:
    needs = []
    newest = gateways.sightings(tx)[:1]
    silent_s = (tx.now - newest[0].seen_at).total_seconds() if newest else None
    if serving and (silent_s is None or silent_s > GATEWAY_SILENT_S):
        silence = "has never reported" if silent_s is None else f"has been silent for {silent_s:.0f} s"
        needs.append(
            Need(
                kind="process",
                id="gateway",
                sentence=f"the gateway {silence}: see logs/gateway.log in the home folder, or hl doctor",
                link="/deployments",
            )
        )
    column = nouns.ATTEMPTS.table.c
    since = column_value(tx.now - timedelta(seconds=WORKER_SILENT_S))
    waiting = nouns.ATTEMPTS.count(tx, column.state == "READY", column.created_at < since)
    working = nouns.ATTEMPTS.count(tx, column.state == "LEASED")
    if waiting and not working:
        needs.append(
            Need(
                kind="process",
                id="worker",
                sentence=f"{waiting} tasks wait and no worker takes them: see logs/worker.log in the home folder",
                link="/pipelines",
            )
        )
    return needs


def _unshared(tx: Reader) -> list[Need]:
    return [Need(kind="process", id="server", sentence=sentence, link="/audit") for sentence in servers.differences(tx)]


def _anchor(tx: Reader) -> list[Need]:
    """The anchor of the audit trail, where no checkpoint reaches it or the chain has left it."""
    state = audit_archive.anchor_state(tx)
    if state is None or state.verb == "recovered":
        return []
    sentence = f"the audit anchor {state.detail['place']} has no new checkpoints: {state.detail['why']}"
    return [Need(kind="audit", id="anchor", sentence=sentence, link="/audit")]


def _revisions(serving: list[Serving]) -> list[Need]:
    """Revisions that should serve and cannot."""
    return [_revision(row) for row in serving if row.stable is None or row.is_down]


def _revision(row: Serving) -> Need:
    name, stable = row.deployment.name, row.stable
    probe = stable and NextStep(
        label="Probe again",
        path=f"/deployments/{name}/revisions/{stable.number}/probe",
        command=f"hl deploy probe {name} {stable.number}",
    )
    need_id = stable.id if stable else name
    return Need(
        kind="revision", id=need_id, sentence=row.why_down, link=f"/deployments/{name}", next_step=probe or None
    )


def _alerts(tx: Reader) -> list[Need]:
    """Alerts that nobody has acknowledged; of a revision that cannot serve the revision itself is told."""
    return [
        Need(kind="alert", id=alert.id, sentence=alert.summary, link=f"/alerts/{alert.id}")
        for alert in nouns.ALERTS.select(tx, nouns.ALERTS.table.c.state == "firing")
        if alert.kind != "serving"
    ]


def _quarantined(tx: Reader) -> list[Need]:
    """Versions of datasets that did not pass their checks, while `main` stays where it was."""
    return [
        Need(
            kind="data",
            id=version.ref,
            sentence=f"{version.dataset}@v{version.sequence} is quarantined: {contracts.why_quarantined(version)}."
            f" Mend it and commit again, or: {contracts.HOW_TO_PUBLISH.format(version.ref)}",
            link=f"/data/{version.dataset}?version={version.id}",
            next_step=NextStep(
                label="Check again",
                path=f"/datasets/{version.dataset}/versions/{version.id}/check",
                command=f"hl data contract check {version.ref}",
            ),
        )
        for version in audits.quarantined(tx)
    ]


def _requests(tx: Reader) -> list[Need]:
    requests = nouns.REQUESTS.select(tx, nouns.REQUESTS.table.c.state == "OPEN")
    return [
        Need(
            kind="approval",
            id=request.id,
            sentence=f"{request.model}/{request.number} waits for {request.people - len(request.approvals)}"
            f" of role {request.role}",
            link=f"/models/{request.model}/{request.number}",
            subject=request.model,
        )
        for request in requests
    ]


def _paused_loops(tx: Reader) -> list[Need]:
    return [
        Need(
            kind="loop",
            id=loop.name,
            sentence=f"no trigger begins a turn of {loop.name}: it is paused"
            + (f" ({loop.pause_reason})" if loop.pause_reason else ""),
            link="/turns",
            next_step=NextStep(
                label="Resume",
                path=f"/loops/{loop.name}/pause",
                body={"paused": False},
                command=f"hl loop resume {loop.name}",
            ),
        )
        for loop in nouns.LOOPS.select(tx)
        if loop.paused
    ]


def _paused_rollouts(tx: Reader) -> list[Need]:
    column = nouns.ROLLOUTS.table.c
    rollouts = nouns.ROLLOUTS.select(tx, column.state.in_(deployments.ACTIVE))
    return [
        Need(
            kind="rollout",
            id=rollout.id,
            sentence=f"{rollout.id} is held: {rollout.reason}",
            link=f"/deployments/{rollout.deployment}",
            next_step=NextStep(
                label="Roll back",
                path=f"/deployments/{rollout.deployment}/rollback",
                body={"reason": "rolled back from the inbox"},
                command=f"hl rollback {rollout.deployment}",
            ),
        )
        for rollout in rollouts
        if rollout.state == "PAUSED" or rollout.paused
    ]


def _turns(tx: Reader) -> list[Need]:
    """The newest turn of a loop, where it failed and nothing tries it again, or where its gate could not judge it.

    A turn that a failed check stopped has ended as it should: the champion stays, and the next turn tries again.
    """
    newest = [turn for _, (turn,) in sorted(nouns.TURNS.newest(tx, 1, of=nouns.LOOPS, on={"loop": "name"}).items())]
    return [*_failed(tx, newest), *_not_judged(tx, newest)]


def _failed(tx: Reader, newest: list[Turn]) -> list[Need]:
    tried_again = {
        (trigger.loop, trigger.last_turn)
        for trigger in nouns.TRIGGERS.select(tx)
        if trigger.pending and not trigger.muted
    }
    return [
        Need(
            kind="turn",
            id=turn.id,
            sentence=f"{turn.id} failed: {turn.result}",
            link=f"/turns/{turn.id}",
            next_step=NextStep(
                label="Judge again" if turn.model_version else "Retry from the failed step",
                path=f"/turns/{turn.id}/retry",
                command=f"hl turn retry {turn.id}",
            ),
        )
        for turn in newest
        if turn.state == "FAILED" and (turn.loop, turn.number) not in tried_again
    ]


def _not_judged(tx: Reader, newest: list[Turn]) -> list[Need]:
    """Stopped turns with a check that gave no answer: a person mends what it lacks, or waives it."""
    models = {loop.name: loop.spec.model for loop in nouns.LOOPS.select(tx)}
    stopped = {(models[turn.loop], turn.model_version): turn for turn in newest if turn.state == RESTING}
    reports = nouns.REPORTS.find_many(tx, stopped)
    return [
        Need(
            kind="gate",
            id=turn.id,
            sentence=f"{turn.id} could not be judged: {turn.result}",
            link=f"/turns/{turn.id}",
        )
        for key, turn in stopped.items()
        if key in reports and any(verdict.outcome in NO_ANSWER for verdict in reports[key].verdicts)
    ]


def _failed_pipeline_runs(tx: Reader) -> list[Need]:
    """Failed runs that no turn speaks for and no later run of the pipeline has replaced."""
    return [
        Need(
            kind="pipeline_run",
            id=run.id,
            sentence=f"the newest run of {run.pipeline} failed: {run.error}",
            link=f"/pipeline-runs/{run.id}",
            subject=run.pipeline,
        )
        for run in rows.newest_failed_runs(tx, tx.now - LOOK_BACK)
        if not run.turn
    ]


def _webhooks(tx: Reader) -> list[Need]:
    """Webhooks whose deliveries were given up."""
    given_up: dict[str, int] = {}
    for delivery in nouns.DELIVERIES.select(tx, nouns.DELIVERIES.table.c.state == "DEAD"):
        if delivery.created_at > tx.now - LOOK_BACK:
            given_up[delivery.webhook] = given_up.get(delivery.webhook, 0) + 1
    names = {webhook.id: webhook.name for webhook in nouns.WEBHOOKS.select(tx)}
    return [
        Need(
            kind="webhook",
            id=webhook_id,
            sentence=f"{count} deliveries to webhook {names.get(webhook_id, webhook_id)} were given up",
            link="/audit",
        )
        for webhook_id, count in given_up.items()
    ]


def _notifications(tx: Reader) -> list[Need]:
    """Channels that cannot be told of something, however often it is tried."""
    pending = nouns.NOTIFICATIONS.select(tx, nouns.NOTIFICATIONS.table.c.state == "PENDING")
    silent = {row.channel: row for row in pending if row.attempts >= MANY_ATTEMPTS}
    return [
        Need(
            kind="notification",
            id=name,
            sentence=f"{name} cannot be told of what needs you: {row.last_error}",
            link="/audit",
        )
        for name, row in silent.items()
    ]


def _lost_feedback(tx: Reader) -> list[Need]:
    """Deployments that got labels for predictions which they never made: who sends them has the wrong ids."""
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for event in events.latest(tx, noun="feedback", id="", before=0, limit=MOST_LOST):
        if event.verb == "lost" and event.at > tx.now - LOOK_BACK:
            counts[event.id] += int(event.detail["count"])
            examples.setdefault(event.id, str(event.detail["prediction_ids"][0]))
    return [
        Need(
            kind="feedback",
            id=name,
            sentence=f"{count} predictions that got labels were never made by {name} (like {examples[name]})",
            link="/audit",
        )
        for name, count in sorted(counts.items())
    ]
