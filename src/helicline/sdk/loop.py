"""Loops as code: the whole loop of one model in one Python file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import msgspec

from helicline.errors import HeliclineError, Invalid
from helicline.ids import checked_name
from helicline.records.contract import ContractSpec
from helicline.records.deployment import Guard, RolloutPlan, RolloutStep
from helicline.records.gate import Check
from helicline.records.loop import ApprovalRule, CatchUp, LoopSpec, TriggerSpec
from helicline.records.monitor import MonitorSpec
from helicline.records.notification import Channel
from helicline.records.outcome import OutcomeSpec
from helicline.records.pipeline import CodeState, Environment
from helicline.sdk.authoring import Pipeline
from helicline.sdk.gates.checks import share, with_definition
from helicline.sdk.parts.notebook import html_table
from helicline.sdk.steps.options import seconds
from helicline.sdk.steps.place import definition_of, placed


class Loop:
    """The loop of one model: pipeline, contracts of its data, gates, approval, rollout, monitors, triggers and so on.

    Record it with `hl apply`.
    """

    def __init__(
        self,
        name: str,
        *,
        pipeline: Pipeline,
        gates: Sequence[Check] = (),
        approval: ApprovalRule | None = None,
        contract: ContractSpec | Sequence[ContractSpec] = (),
        outcomes: Sequence[OutcomeSpec] = (),
        rollout: RolloutPlan | None = None,
        monitors: Sequence[MonitorSpec] = (),
        triggers: Sequence[TriggerSpec] = (),
        notify: Sequence[Channel] = (),
        model: str = "",
        deployment: str = "",
    ) -> None:
        self.name = checked_name("loop", name)
        self.model, self.deployment = (
            checked_name("model", model or name),
            checked_name("deployment", deployment or name),
        )
        self.pipeline, self.approval = pipeline, approval
        self.gates = tuple(with_definition(gate, pipeline.function.__globals__) for gate in gates)
        self.contracts = (contract,) if isinstance(contract, ContractSpec) else tuple(contract)
        _check_unique("outcomes", [spec.name for spec in outcomes])
        self.has_rollout = rollout is not None
        self.rollout = msgspec.structs.replace(rollout or instant(), outcomes=tuple(outcomes))
        declared = {spec.name: spec for spec in outcomes}
        self.monitors = tuple(
            msgspec.structs.replace(monitor, outcome=declared.get(monitor.metric))
            if monitor.kind == "watch"
            else monitor
            for monitor in monitors
        )
        self.triggers = tuple(triggers)
        _check_unique("monitors", [monitor.name for monitor in self.monitors])
        _check_unique("gates", [gate.name for gate in self.gates])
        _check_unique("contracts", [spec.dataset for spec in self.contracts])
        _check_unique("triggers", [trigger.name for trigger in self.triggers])
        self.notify = tuple(notify)
        _check_unique("notify", [channel.name for channel in self.notify])

    def __repr__(self) -> str:
        return f"Loop({self.name!r}, pipeline={self.pipeline!r}, model={self.model!r}, deployment={self.deployment!r})"

    def _repr_html_(self) -> str:
        """Its parts in a notebook; of a pipeline that cannot be traced, why."""
        try:
            steps = " → ".join(step.name for step in self.pipeline.trace()[0])
        except HeliclineError as error:
            steps = str(error)
        shares = ", ".join(f"{step.weight_bp / 100:g} %" for step in self.rollout.steps)
        parts = {
            "pipeline": f"{self.pipeline.name}: {steps}",
            "contracts": ", ".join(spec.dataset for spec in self.contracts),
            "gates": ", ".join(gate.name for gate in self.gates),
            "approval": f"{self.approval.people} of role {self.approval.role}" if self.approval else "",
            "outcomes": ", ".join(spec.name for spec in self.rollout.outcomes),
            "rollout": shares,
            "monitors": ", ".join(monitor.name for monitor in self.monitors),
            "triggers": ", ".join(trigger.name for trigger in self.triggers),
            "notify": ", ".join(channel.name for channel in self.notify),
        }
        return html_table(["loop", self.name], [(name, text) for name, text in parts.items() if text])

    def spec(self, *, state: CodeState, environment: Environment) -> LoopSpec:
        """Return the loop as a record for the server.

        A pipeline that returns no hl.candidate(...) makes no model: its turns end when it has run.

        Raises:
            Invalid: then the loop has gates, an approval, a rollout or monitors all the same.
        """
        graph = self.pipeline.spec(state=state, environment=environment)
        if graph.candidate is None and (self.gates or self.approval or self.monitors or self.has_rollout):
            wrong = Invalid(
                f"pipeline {graph.name}", "no candidate", "a body that ends with `return hl.candidate(...)`"
            )
            raise placed(wrong, definition_of(self.pipeline.function, Path.cwd()))
        return LoopSpec(
            name=self.name, model=self.model, deployment=self.deployment, pipeline=graph, gates=self.gates,
            approval=self.approval, rollout=self.rollout, monitors=self.monitors, triggers=self.triggers,
            label=graph.candidate.label if graph.candidate else "label", contracts=self.contracts,
            notify=self.notify,
        )  # fmt: skip


def _check_unique(field: str, names: list[str]) -> None:
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise Invalid(field, repeated[0], "each at most once")


def approval(role: str, *, people: int = 1) -> ApprovalRule:
    """Require `people` people of `role`, none of them the requester, to approve before the rollout."""
    if people < 1:
        raise Invalid("people", people, "1 or more")
    return ApprovalRule(role=role, people=people)


def canary(
    *percents: float,
    guard: Guard | Sequence[Guard] = (),
    min_requests: int = 50,
    min_time: str | float = "1m",
    max_time: str | float = "1d",
    on_undecided: Literal["hold", "advance", "rollback"] = "advance",
    alpha: float = 0.05,
) -> RolloutPlan:
    """Raise the candidate's traffic step by step, and roll back automatically when a guard fails.

    Args:
        percents: traffic shares in percent, rising, the last one 100.
        guard: conditions that the candidate must keep.
        min_requests: requests that the candidate must answer before a step can end.
        min_time: minimum duration of a step.
        max_time: how long a step waits for a guard to decide.
        on_undecided: the action after `max_time`: "advance" (where no drop is seen and labels have arrived; else it
            holds), "hold" for a person, or "rollback".

    Raises:
        Invalid: the shares do not rise to 100.

    Example:
        >>> import helicline as hl
        >>> [step.weight_bp for step in hl.canary(5, 25, 100).steps]
        [500, 2500, 10000]
    """
    if not percents or list(percents) != sorted(set(percents)) or percents[-1] != 100 or percents[0] <= 0:
        raise Invalid("canary", str(percents), "rising shares in percent that end with 100, like canary(5, 25, 100)")
    guards = (guard,) if isinstance(guard, Guard) else tuple(guard)
    low, high = seconds("min_time", min_time), seconds("max_time", max_time)
    steps = tuple(
        RolloutStep(weight_bp=round(percent * 100), min_requests=min_requests, min_s=low, max_s=high)
        for percent in percents
    )
    return RolloutPlan(steps=steps, guards=guards, alpha=share("alpha", alpha), on_undecided=on_undecided)


def instant() -> RolloutPlan:
    """Move all traffic at once, when the candidate is loaded and warm."""
    return RolloutPlan(steps=(RolloutStep(weight_bp=10000, min_requests=0, min_s=0.0, max_s=0.0),))


def must_not_drop(metric: str, *, by: float = 0.05) -> Guard:
    """Guard: the mean of feedback `metric` must not drop by more than the share `by`, relative to stable.

    Where the loop declares an outcome of that name, it is the mean over units, and those who send nothing count too.
        "accuracy" is built in: the share of predictions that equal their label.
    """
    kind: Literal["correct", "feedback"] = "correct" if metric == "accuracy" else "feedback"
    return Guard(kind=kind, metric=metric, margin=share("by", by))


def max_error_rate(limit: float = 0.01) -> Guard:
    """Guard: at most this share of the candidate's calls fails (stable answers these, so users do not notice)."""
    return Guard(kind="error_rate", limit=share("limit", limit))


def max_latency(ms: float, *, quantile: float = 0.99) -> Guard:
    """Guard: this quantile of the candidate's latency is at most `ms` milliseconds."""
    return Guard(kind="latency", limit=ms, quantile=share("quantile", quantile))


def drift(
    *,
    window: str | float = "5m",
    min_rows: int = 200,
    threshold: float = 0.10,
    critical: float = 0.25,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> MonitorSpec:
    """Monitor: the distribution of the inputs against the version's reference, column by column.

    Identifiers and times never look like those of the past: such columns are recognised and left out, which their
    findings say.

    Args:
        threshold: debiased PSI from which a significant change is material; from `critical` on it is critical.
        window: duration of a window; with fewer than `min_rows` rows it extends to earlier rows.
        include: columns that are tested although they look like an identifier or a time.
        exclude: columns that are not tested.
    """
    return MonitorSpec(
        kind="drift",
        window_s=seconds("window", window),
        min_rows=min_rows,
        threshold=threshold,
        critical=critical,
        include=_names("include", include),
        exclude=_names("exclude", exclude),
    )


def _names(field: str, columns: Sequence[str]) -> tuple[str, ...]:
    if isinstance(columns, str):
        raise Invalid(field, columns, f"a list of columns, like [{columns!r}]")
    return tuple(columns)


def performance(
    metric: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    drop: float | None = None,
    feedback: str = "",
    window: str | float = "5m",
    min_rows: int = 100,
    label_delay: str | float | None = None,
) -> MonitorSpec:
    """Monitor: `metric` over predictions whose labels have arrived.

    `metric` is accuracy; auc, gini, ks, log_loss, brier, calibration_error, precision, recall or f1 of the probability
    of class 1 that the model answers (or of classes 1 and 0); mae, mse, rmse or r2 of numbers; or mean, the mean of the
    labels themselves. Of models that answer a list of items it is ndcg@10, map@10, recall@10, precision@10 (or another
    rank) or mrr, where a label is an item or a JSON list of items; of quantiles pinball@0.9. Functions with
    `@hl.metric` are for gates alone.

    Args:
        at_least: the least value that is good.
        at_most: or the greatest one.
        drop: or the share by which it may be worse than it was in the last window of the version before.
        feedback: the name of the feedback that is taken as the label; by default the label of the loop.
        window: duration of a window; with fewer than `min_rows` labelled rows it extends to earlier predictions.
        label_delay: how long after a prediction its label may come, like "90d". Predictions are judged when they are
            so old: those whose labels come early, like the first customers who do not pay, do not stand for all. By
            default it is learned from the labels that came lately, which each window says.
    """
    if not isinstance(metric, str):
        hint = "Monitors are computed in the server, which runs no functions of a loop file; gates take them."
        raise Invalid("performance metric", type(metric).__name__, "the name of a built-in metric", hint)
    if sum(limit is not None for limit in (at_least, at_most, drop)) != 1:
        raise Invalid(f"performance {metric}", f"at_least={at_least}, at_most={at_most}, drop={drop}", "one of them")
    return MonitorSpec(
        kind="performance",
        metric=metric,
        at_least=at_least,
        at_most=at_most,
        drop=None if drop is None else share("drop", drop),
        feedback=feedback,
        window_s=seconds("window", window),
        min_rows=min_rows,
        label_delay_s=None if label_delay is None else seconds("label_delay", label_delay),
    )


def quality(
    *, window: str | float = "5m", min_rows: int = 200, include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> MonitorSpec:
    """Monitor: missing values, values outside of the reference's range, stuck columns, unseen categories.

    Args:
        window: duration of a window; with fewer than `min_rows` rows it extends to earlier rows.
        include: columns that are tested in full although they look like an identifier or a time.
        exclude: columns that are not tested.
    """
    return MonitorSpec(
        kind="quality",
        window_s=seconds("window", window),
        min_rows=min_rows,
        include=_names("include", include),
        exclude=_names("exclude", exclude),
    )


def service(
    *,
    p99_ms: float | None = None,
    error_rate: float | None = None,
    window: str | float = "5m",
    min_calls: int = 100,
) -> MonitorSpec:
    """Monitor: how the calls of what serves are answered. An alert of it begins no turn.

    Args:
        p99_ms: at most one in a hundred calls takes longer.
        error_rate: at most this share of calls fails, or has to be answered by another version.
        window: duration of a window; with fewer than `min_calls` calls it extends to earlier ones.

    Raises:
        Invalid: neither limit is given.
    """
    if p99_ms is None and error_rate is None:
        raise Invalid("service", "no limit", "p99_ms, error_rate, or both")
    return MonitorSpec(
        kind="service",
        p99_ms=p99_ms,
        error_rate=error_rate,
        window_s=seconds("window", window),
        min_rows=min_calls,
    )


_CRON = {"hour": "0 * * * *", "day": "0 3 * * *", "week": "0 3 * * 1", "month": "0 3 1 * *"}


def every(
    schedule: str,
    *,
    timezone: str = "UTC",
    catch_up: CatchUp = "latest",
    harvest: bool = False,
) -> TriggerSpec:
    """Trigger: on a schedule: "hour", "day", "week", "month", or five cron fields.

    Args:
        timezone: the IANA name of the zone whose clocks count, like "Europe/Vienna". A time of day that is left out
            when the clocks are set forth comes later that day; one that comes twice counts once.
        catch_up: what is done about moments at which nothing ran: one turn for all of them ("latest"), one for each
            ("all", at most 100), or "none".
        harvest: first commit the labelled production rows as a new dataset version.

    Example:
        >>> import helicline as hl
        >>> hl.every("day", timezone="Europe/Vienna").name
        'schedule:0 3 * * * Europe/Vienna'
    """
    from croniter import croniter

    cron = _CRON.get(schedule, schedule)
    if not croniter.is_valid(cron) or len(cron.split()) != 5:
        raise Invalid("every", schedule, '"hour", "day", "week", "month" or five cron fields')
    if catch_up not in get_args(CatchUp):
        raise Invalid("catch_up", catch_up, ", ".join(get_args(CatchUp)))
    return TriggerSpec(
        kind="schedule", cron=cron, timezone=timezone, catch_up=catch_up, harvest=harvest, cool_down_s=0.0
    )


def on_new_data(dataset: str = "", *, cool_down: str | float = "10m") -> TriggerSpec:
    """Trigger: a dataset of the pipeline (or `dataset`) gets a new version from outside of the loop."""
    return TriggerSpec(kind="new_data", dataset=dataset, cool_down_s=seconds("cool_down", cool_down))


def on_alert(*monitors: str, cool_down: str | float = "1h", harvest: bool = True) -> TriggerSpec:
    """Trigger: an alert of the named kinds (default "performance") fires while no alert on data quality is open.

    Args:
        monitors: kinds or names of monitors, like "drift" or "performance:accuracy".
        harvest: first commit the labelled production rows as a new dataset version.
    """
    return TriggerSpec(
        kind="alert",
        monitors=monitors or ("performance",),
        cool_down_s=seconds("cool_down", cool_down),
        harvest=harvest,
    )
