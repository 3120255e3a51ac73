"""Checks of a loop's spec before anything runs: each problem names its field, its value and what is allowed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any, Literal

import msgspec

from helicline.access import secrets
from helicline.data import versions
from helicline.data.contracts import checked_spec
from helicline.errors import Invalid, NotFound
from helicline.ids import checked_name
from helicline.loop.waiting.schedule import next_due
from helicline.monitor import performance
from helicline.outcome.checks import outcome_problems, watch_problems
from helicline.records.access import ROLES
from helicline.records.gate import MEASURED, Check
from helicline.records.loop import LoopSpec, TriggerSpec
from helicline.records.metric import BUILT_IN, FAMILIES, RESERVED, formula_of
from helicline.records.monitor import MonitorSpec
from helicline.records.notification import Channel
from helicline.records.pipeline import Candidate, StepSpec
from helicline.store.unit import Reader

LONGEST_S = 366 * 86_400.0
MIN_MEMORY_BYTES = 64_000_000  # an interpreter and its libraries need about that by themselves
KINDS = ("drift", "performance", "quality", "service", "watch")
BASELINE = "champion"  # the only alias whose model the judge loads beside the candidate
NEEDS_HOLDOUT = ("not_worse", "latency")
NO_OWN_METRICS = "Monitors are computed in the server, which runs no functions of a loop file; gates take them."
END_WITH_HOLDOUT = "End the pipeline with: return hl.candidate(model, holdout=...)"


class SpecProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that cannot work: the field, what it is, what is allowed, and the next step.

    An `error` is refused; a `warning` cannot work yet, and may once something else is done.
    """

    field: str
    got: str
    allowed: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"


def problems_of(tx: Reader, spec: LoopSpec) -> list[SpecProblem]:
    """Return all that could only fail later, in the order of the spec; none for a loop that may run."""
    return [_problem(error, "error") for error in _problems(tx, spec)]


def warnings_of(tx: Reader, spec: LoopSpec) -> list[SpecProblem]:
    """Return what a turn would fail for today, data that is not there yet, and what no gate will look at."""
    return [_problem(error, "warning") for error in (*_missing_data(tx, spec), *_without_holdout(spec))]


def _problem(error: Invalid, severity: Literal["error", "warning"]) -> SpecProblem:
    got = str(error.got)
    return SpecProblem(field=error.field, got=got, allowed=error.allowed, hint=error.hint, severity=severity)


def _missing_data(tx: Reader, spec: LoopSpec) -> Iterator[Invalid]:
    read = {source.dataset: f"step {step.name}" for step in spec.pipeline.steps for source in step.inputs.values()}
    awaited = {trigger.dataset: "trigger new_data" for trigger in spec.triggers if trigger.kind == "new_data"}
    for name, field in ({**awaited, **read}).items():
        try:
            if name:
                versions.resolve(tx, name)
        except NotFound:
            dataset = name.partition("@")[0]
            hint = f"Commit it before the first turn: hl data commit {dataset} FILE"
            yield Invalid(field, name, "a dataset that is there", hint)


def _without_holdout(spec: LoopSpec) -> Iterator[Invalid]:
    candidate = spec.pipeline.candidate
    if candidate is not None and candidate.holdout is None:
        got = "a candidate without a hold-out: nothing is measured, or compared with the champion on the same rows"
        yield Invalid(f"pipeline {spec.pipeline.name}", got, "rows to judge it on", END_WITH_HOLDOUT)


def _problems(tx: Reader, spec: LoopSpec) -> Iterator[Invalid]:
    for field, name in (("loop", spec.name), ("model", spec.model), ("deployment", spec.deployment)):
        yield from _raised(lambda field=field, name=name: checked_name(field, name))
    if not spec.pipeline.steps:
        yield Invalid("pipeline", spec.pipeline.name, "a pipeline with steps")
    if spec.pipeline.candidate is None:
        yield from _without_candidate(spec)
    for part in ("gates", "monitors", "triggers"):
        names = [part_spec.name for part_spec in getattr(spec, part)]
        if len(set(names)) != len(names):
            yield Invalid(part, ", ".join(names), "each at most once")
    for step in spec.pipeline.steps:
        yield from _step(step)
        yield from _secrets(tx, step)
    for gate in spec.gates:
        yield from _gate(spec, gate)
    for contract in spec.contracts:
        yield from _raised(lambda contract=contract: checked_spec(contract))
    yield from _channels(tx, spec.notify)
    yield from _approval(spec)
    yield from _rollout(spec)
    yield from _monitors(spec)
    for trigger in spec.triggers:
        yield from _trigger(tx, spec, trigger)


def _without_candidate(spec: LoopSpec) -> Iterator[Invalid]:
    """Yield what a loop says of a model that its pipeline does not make."""
    parts: dict[str, Any] = {"gates": spec.gates, "approval": spec.approval, "monitors": spec.monitors}
    parts["a rollout"] = len(spec.rollout.steps) > 1 or spec.rollout.guards
    parts["triggers on alerts or harvests"] = [
        trigger for trigger in spec.triggers if trigger.harvest or trigger.kind == "alert"
    ]
    useless = [name for name, part in parts.items() if part]
    if useless:
        yield Invalid(
            f"pipeline {spec.pipeline.name}",
            "no candidate",
            f"a body that ends with `return hl.candidate(...)`, or a loop without {', '.join(useless)}",
        )


def _raised(check: Any) -> Iterator[Invalid]:
    try:
        check()
    except Invalid as error:
        yield error


def _within(field: str, value: float, *, low: float, high: float) -> Iterator[Invalid]:
    if not low <= value <= high:
        yield Invalid(field, value, f"{low:g} to {high:g}")


def _step(step: StepSpec) -> Iterator[Invalid]:
    name = step.function.partition(":")[2]
    if "<" in name:  # <lambda>, or the <locals> of another function
        yield Invalid(
            f"step {step.name}",
            name,
            "a function at the top level of its module",
            "A step runs in a process of its own, which imports it by its name: move it out, and name it with def.",
        )
    yield from _within(f"step {step.name} timeout_s", step.timeout_s, low=0.001, high=LONGEST_S)
    yield from _within(f"step {step.name} retries", step.retries, low=0, high=1000)
    if step.memory_bytes:
        yield from _within(f"step {step.name} memory_bytes", step.memory_bytes, low=MIN_MEMORY_BYTES, high=1 << 50)


def _secrets(tx: Reader, step: StepSpec) -> Iterator[Invalid]:
    for name in step.secrets:
        yield from _raised(lambda name=name: secrets.checked_name(name))
    for name in secrets.missing(tx, step.secrets):
        yield Invalid(f"step {step.name} secrets", name, "a secret that is set", f"Set it: hl secret set {name}")


def _channels(tx: Reader, channels: Sequence[Channel]) -> Iterator[Invalid]:
    for channel in channels:
        yield from _raised(lambda channel=channel: secrets.checked_name(channel.secret))
        for name in secrets.missing(tx, [channel.secret]):
            yield Invalid(f"notify {channel.name}", name, "a secret that is set", f"Set it: hl secret set {name}")
        if channel.kind != "webhook" and find_spec("apprise") is None:
            how = "apprise where the server runs"
            yield Invalid(f"notify {channel.name}", "no apprise", how, "Install it: pip install apprise")


def _gate(spec: LoopSpec, gate: Check) -> Iterator[Invalid]:
    candidate = spec.pipeline.candidate
    field = f"gate {gate.name}"
    if gate.kind in ("not_worse", "signature") and gate.than != BASELINE:
        yield Invalid(field, f"than={gate.than!r}", f"than={BASELINE!r}", "Candidates are compared with the champion.")
    if gate.kind in MEASURED:
        yield from _metric(field, gate)
    if candidate is None:
        return
    if gate.kind in NEEDS_HOLDOUT and candidate.holdout is None:
        yield Invalid(field, "a candidate without a hold-out", "a candidate with rows to judge it on", END_WITH_HOLDOUT)
    elif gate.kind in ("at_least", "at_most"):
        yield from _computed(field, gate, candidate)


def _metric(field: str, gate: Check) -> Iterator[Invalid]:
    """Yield what is wrong with the metric that a gate names, and whether the judge has to measure it and cannot."""
    definition, built_in = gate.definition, ", ".join((*BUILT_IN, *FAMILIES))
    if gate.measured is None and gate.kind == "not_worse":
        hint = "Write it as a function in the loop file, above the loop, with @hl.metric(better=...)."
        yield Invalid(field, gate.metric, f"one of {built_in}, or a metric of the loop file", hint)
    if definition is None:
        return
    if definition.name != gate.metric:
        yield Invalid(field, f"the definition of {definition.name}", f"that of {gate.metric}")
    is_own = bool(definition.function or definition.costs)
    if is_own and (definition.base in RESERVED or formula_of(definition.base) is not None):
        yield Invalid(f"metric {definition.base}", "the name of a built-in metric", "a name of its own")
    if not is_own and formula_of(definition.base) is None:
        yield Invalid(field, definition.base, f"one of {built_in}")
    if "<" in definition.function:  # <lambda>, or the <locals> of another function
        function = definition.function.partition(":")[2]
        yield Invalid(f"metric {definition.base}", function, "a function at the top level of its module")


def _computed(field: str, gate: Check, candidate: Candidate) -> Iterator[Invalid]:
    """Yield where nothing computes the metric of a limit: neither the judge, of a hold-out, nor the pipeline."""
    if candidate.holdout is None and gate.definition is not None:
        got = "a candidate without a hold-out"
        yield Invalid(field, got, "a candidate with rows to measure it on", END_WITH_HOLDOUT)
    elif candidate.metrics is None and (candidate.holdout is None or gate.measured is None):
        built_in = f"one of {', '.join((*BUILT_IN, *FAMILIES))}, or a metric of the loop file"
        yield Invalid(
            field,
            f"{gate.metric}, which nothing computes",
            built_in if candidate.holdout else "a metric that the pipeline reports",
            "Report it from a step that returns hl.Metrics: hl.candidate(model, metrics=...)",
        )


def _approval(spec: LoopSpec) -> Iterator[Invalid]:
    if spec.approval is None:
        return
    yield from _within("approval people", spec.approval.people, low=1, high=100)
    able = sorted(role for role, permissions in ROLES.items() if "approve" in permissions)
    if spec.approval.role not in able:
        yield Invalid("approval role", spec.approval.role, f"a role that may approve: {', '.join(able)}")


def _rollout(spec: LoopSpec) -> Iterator[Invalid]:
    for step in spec.rollout.steps:
        yield from _within("rollout weight_bp", step.weight_bp, low=1, high=10_000)
        yield from _within("rollout min_s", step.min_s, low=0, high=LONGEST_S)
        yield from _within("rollout max_s", step.max_s, low=0, high=LONGEST_S)
    yield from outcome_problems(spec.rollout)


def _monitors(spec: LoopSpec) -> Iterator[Invalid]:
    for monitor in spec.monitors:
        yield from _within("monitor window_s", monitor.window_s, low=0.1, high=LONGEST_S)
        yield from _within("monitor label_delay_s", monitor.label_delay_s or 0.0, low=0, high=LONGEST_S)
        yield from _within("monitor persist", monitor.persist, low=1, high=100)
        yield from _within("monitor of", monitor.of, low=monitor.persist, high=100)
        candidate = spec.pipeline.candidate
        if monitor.kind in ("drift", "quality") and candidate is not None and candidate.reference is None:
            yield Invalid(
                f"monitor {monitor.name}",
                "a candidate without a reference",
                "rows of training to compare production with",
                "End the pipeline with: return hl.candidate(model, holdout=...) or hl.candidate(model, reference=...)",
            )
        if monitor.kind == "service":
            yield from _service(monitor)
        if monitor.kind == "watch":
            yield from watch_problems(monitor, spec.rollout)
        if monitor.kind == "performance" and not performance.is_measured(monitor.metric):
            yield Invalid("performance metric", monitor.metric, ", ".join(performance.ALL), NO_OWN_METRICS)
        limits = {"at_least": monitor.at_least, "at_most": monitor.at_most, "drop": monitor.drop}
        if monitor.kind == "performance" and sum(limit is not None for limit in limits.values()) != 1:
            got = ", ".join(f"{name}={limit}" for name, limit in limits.items())
            yield Invalid(f"monitor {monitor.name}", got, "one of them")


def _service(monitor: MonitorSpec) -> Iterator[Invalid]:
    limits = {"p99_ms": monitor.p99_ms, "error_rate": monitor.error_rate}
    if all(limit is None for limit in limits.values()):
        yield Invalid("monitor service", "no limit", "p99_ms, error_rate, or both")
    if monitor.p99_ms is not None and not monitor.p99_ms > 0:
        yield Invalid("monitor service p99_ms", monitor.p99_ms, "milliseconds, more than 0")
    if monitor.error_rate is not None and not 0 < monitor.error_rate < 1:
        yield Invalid("monitor service error_rate", monitor.error_rate, "a share, more than 0 and less than 1")


def _trigger(tx: Reader, spec: LoopSpec, trigger: TriggerSpec) -> Iterator[Invalid]:
    yield from _within("trigger cool_down_s", trigger.cool_down_s, low=0, high=LONGEST_S)
    yield from _raised(lambda: next_due(tx.now, trigger))
    unknown = set(trigger.monitors) - {*KINDS, *(monitor.name for monitor in spec.monitors)}
    if unknown:
        names = ", ".join((*KINDS, *(monitor.name for monitor in spec.monitors if monitor.name not in KINDS)))
        yield Invalid("trigger on_alert", ", ".join(sorted(unknown)), f"kinds or names of monitors: {names}")
    reads = any(source.dataset for step in spec.pipeline.steps for source in step.inputs.values())
    if trigger.kind == "new_data" and not trigger.dataset and not reads:
        yield Invalid(
            "trigger new_data",
            "a pipeline that reads no dataset",
            "the name of a dataset",
            'Name it, hl.on_new_data("customers"), or let the pipeline read hl.dataset("customers").',
        )
    if trigger.harvest and not reads:
        yield Invalid("trigger harvest", "a pipeline that reads no dataset", "one that does, to add the rows to")
