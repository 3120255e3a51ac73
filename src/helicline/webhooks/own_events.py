"""Events of this project that a webhook may have beside those of MLflow: every event but those of single runs."""

from __future__ import annotations

from helicline.records.event import Event

VERBS: dict[str, tuple[str, ...]] = {
    "alert": ("accepted", "acknowledged", "raised", "resolved", "widened"),
    "contract": ("removed", "set"),
    "dataset": ("created",),
    "dataset_ref": ("moved",),
    "dataset_version": ("checked", "checking", "committed", "not_published", "overridden"),
    "deployment": ("created", "switched"),
    "feedback": ("changed", "lost"),
    "gate": ("judged", "waived"),
    "loop": ("applied", "paused", "resumed"),
    "monitor": ("not_rolled_back", "rolled_back"),
    "pipeline_run": ("cancelling", "ended", "submitted"),
    "promotion_request": ("approved", "joined", "opened", "rejected", "voided"),
    "rollout": ("advanced", "failed", "held", "promoted", "resumed", "rolled_back", "started"),
    "routing": ("changed",),
    "trigger": ("dropped", "failed", "fired", "muted", "retried", "skipped", "unmuted"),
    "turn": ("asked", "began", "ended", "queued", "registered", "rejected", "rolling_out", "training"),
}
RESULTS = ("promoted", "succeeded", "rolled_back", "failed", "unchanged", "cancelled")  # that a turn ends with
OWN_EVENTS = tuple(
    sorted({f"{noun}.{verb}" for noun, verbs in VERBS.items() for verb in verbs} | {f"turn.{name}" for name in RESULTS})
)


def names_of(event: Event) -> tuple[str, ...]:
    """Return the names by which webhooks know an event; the end of a turn has one of its result too."""
    if event.verb not in VERBS.get(event.noun, ()):
        return ()
    name = f"{event.noun}.{event.verb}"
    if name != "turn.ended":
        return (name,)
    return (name, f"turn.{str(event.detail.get('state', '')).lower()}")
