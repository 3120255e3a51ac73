"""The report of a rollout's outcomes as Markdown: what was compared, what came of it, and who did not count."""

from __future__ import annotations

from collections.abc import Iterator

from helicline.records.deployment import Rollout
from helicline.records.outcome import OutcomeReading, Sample
from helicline.serving.rollout import length

CONCLUSIONS = {
    "better": "the candidate is better and serves all",
    "not_worse": "the candidate is not worse and serves all",
    "worse": "the candidate did harm and was rolled back",
    "no_difference": "no difference was shown, so the old version stays",
}
_LEFT_OUT = (
    ("waiting", "their window is still open"),
    ("both", "both variants served them"),
    ("moved", "a larger share moved or will move them"),
    ("burn_in", "they came first in the burn-in"),
    ("unanswered", "they sent nothing"),
)


def markdown(rollout: Rollout, *, stable: str, candidate: str) -> str:
    """Return the report; `stable` and `candidate` name the versions."""
    return "\n".join(_lines(rollout, stable, candidate)) + "\n"


def _lines(rollout: Rollout, stable: str, candidate: str) -> Iterator[str]:
    plan = rollout.plan
    yield f"# {rollout.id}: {candidate} against {stable}"
    yield ""
    conclusion = CONCLUSIONS.get(rollout.conclusion)
    yield f"**{rollout.state}**" + (f": {conclusion}." if conclusion else ".")
    yield f"{rollout.reason}"
    yield ""
    ended = f" to {rollout.finished_at:%Y-%m-%d %H:%M}" if rollout.finished_at else ""
    shares = ", ".join(f"{step.weight_bp / 100:g} %" for step in plan.steps)
    yield f"From {rollout.created_at:%Y-%m-%d %H:%M}{ended} UTC."
    yield f"Share of the candidate: {shares}; alpha {plan.alpha:g}."
    yield ""
    if not rollout.outcomes:
        yield "No outcome of units was declared or read."
        return
    yield "| outcome | decides | stable | candidate | lift | interval |"
    yield "|---|---|---|---|---|---|"
    for reading in rollout.outcomes:
        cells = (_arm(reading.stable, reading), _arm(reading.candidate, reading))
        interval = "too little yet"
        if reading.lift_low is not None and reading.lift_high is not None:
            interval = f"{reading.lift_low:+.1%} to {reading.lift_high:+.1%}"
        lift = f"{reading.lift:+.1%}" if reading.lift is not None else ""
        decides = "yes" if reading.decides else ""
        yield f"| {reading.spec.name} | {decides} | {cells[0]} | {cells[1]} | {lift} | {interval} |"
    yield ""
    yield "The interval holds at any look. Outcomes that do not decide are reported only."
    yield ""
    for reading in rollout.outcomes:
        yield from _counted(reading)


def _arm(sample: Sample, reading: OutcomeReading) -> str:
    mean = f"{sample.mean:.4g}" if sample.mean is not None else "nothing"
    return f"{mean} of {sample.count} {reading.spec.per}s"


def _counted(reading: OutcomeReading) -> Iterator[str]:
    spec, units = reading.spec, reading.units
    missing = "are left out" if spec.missing is None else f"count as {spec.missing:g}"
    yield (
        f"- **{spec.name}**: the {spec.kind} of {length(spec.window_s)} after the first call; "
        f"{spec.per}s without any {missing}."
    )
    left_out = [f"{getattr(units, name)} because {why}" for name, why in _LEFT_OUT if getattr(units, name)]
    if left_out:
        yield f"  Left out: {'; '.join(left_out)}."
    if units.keyless:
        yield f"  {units.keyless} calls had no assignment key: each is a {spec.per} of its own."
    if units.strangers:
        yield f"  Feedback came on {units.strangers} {spec.per}s that this rollout did not serve."
    if units.not_numbers:
        yield f"  {units.not_numbers} pieces of feedback were no numbers."
    if units.cap is not None:
        yield f"  Values over {units.cap:.4g} count as that."
