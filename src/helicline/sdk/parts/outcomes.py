"""What happens to units as code: outcomes, and A/B tests that they decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from helicline.errors import Invalid
from helicline.ids import checked_name
from helicline.records.deployment import Guard, RolloutPlan, RolloutStep
from helicline.records.monitor import MonitorSpec
from helicline.records.outcome import OutcomeKind, OutcomeSpec, Ship
from helicline.sdk.gates.checks import share
from helicline.sdk.steps.options import seconds


def outcome(
    name: str,
    *,
    window: str | float = "7d",
    per: str = "user",
    kind: OutcomeKind = "last",
    missing: float | None = 0,
    better: Literal["higher", "lower"] = "higher",
) -> OutcomeSpec:
    """What happened to a unit within `window` after a variant first served it: one number of each unit.

    Units are what calls name by their assignment key (the header `X-Assignment-Key`, or the parameter `user_id`); a
    call without one is a unit of its own. The numbers come as feedback called `name`, by unit or by prediction.

    Args:
        window: how long after its first call a unit's feedback counts. A unit is judged when its window is over.
        per: what a unit is, in words: "user", "session", "application".
        kind: how several numbers of a unit become one: the "last" one, the "max"imum, the "sum", or their "count".
        missing: what a unit without feedback counts as; None leaves it out.
        better: whether "higher" or "lower" numbers are better.

    Raises:
        Invalid: one of them is none of what is allowed.

    Example:
        >>> import helicline as hl
        >>> hl.outcome("conversion", window="7d", per="user", missing=0).window_s
        604800.0
    """
    if kind not in get_args(OutcomeKind):
        raise Invalid(f"outcome {name} kind", kind, ", ".join(get_args(OutcomeKind)))
    if better not in ("higher", "lower"):
        raise Invalid(f"outcome {name} better", better, "higher, lower")
    return OutcomeSpec(
        name=checked_name("outcome", name),
        kind=kind,
        window_s=seconds("window", window),
        per=per,
        missing=None if missing is None else float(missing),
        higher_is_better=better == "higher",
    )


def ab(
    percent: float = 50,
    *,
    outcome: str,
    guard: Guard | Sequence[Guard] = (),
    at_least: str | float = "7d",
    at_most: str | float = "14d",
    burn_in: str | float = 0,
    ship: Ship = "better",
    alpha: float = 0.05,
) -> RolloutPlan:
    """An A/B test of the candidate against what serves, decided by one declared outcome; it ends by itself.

    Units stay with their variant. A guard that fails rolls back at any time. The candidate ships once its outcome is
    better, by a test that may be looked at as often as one likes; where nothing shows a difference until `at_most`, the
    old version stays. A test of a week or more is decided by whole weeks.

    Args:
        percent: the candidate's share of the units.
        outcome: the name of the outcome that decides, declared in `hl.Loop(outcomes=...)`.
        guard: conditions that the candidate must keep, like hl.must_not_drop("conversion", by=0.05).
        at_least: how long the test takes even if it is decided earlier.
        at_most: when it ends. The windows of units have to be over by then.
        burn_in: units that come first within this time do not count.
        ship: "better", or "not_worse": then a candidate ships that is proven not to be worse by a guard's margin.
        alpha: how often, at most, a candidate that is no better ships.

    Raises:
        Invalid: a share or a time is none of what is allowed.

    Example:
        >>> import helicline as hl
        >>> hl.ab(50, outcome="conversion", at_least="7d", at_most="14d").steps[0].weight_bp
        5000
    """
    if not 0 < percent < 100:
        raise Invalid("ab", percent, "the candidate's share in percent, more than 0 and less than 100")
    if ship not in get_args(Ship):
        raise Invalid("ship", ship, ", ".join(get_args(Ship)))
    low, high = seconds("at_least", at_least), seconds("at_most", at_most)
    if low > high:
        raise Invalid("at_most", at_most, f"no less than at_least, which is {at_least}")
    step = RolloutStep(weight_bp=round(percent * 100), min_requests=0, min_s=low, max_s=high)
    return RolloutPlan(
        steps=(step,),
        guards=(guard,) if isinstance(guard, Guard) else tuple(guard),
        alpha=share("alpha", alpha),
        outcome=outcome,
        ship=ship,
        burn_in_s=seconds("burn_in", burn_in),
    )


def watch(
    outcome: str,
    *,
    drop: float = 0.05,
    against: Literal["previous"] = "previous",
    for_: str | float = "14d",
    roll_back: bool = False,
) -> MonitorSpec:
    """Monitor: for a time after a version began to serve, an outcome of its units against the version before.

    An alert opens once the outcome is shown to be worse by more than `drop`, by a test that may be looked at as often
    as one likes. Both versions count units of a period of equal length, from the same time of the week where the
    version before served for so long. What changes for all users when a version is promoted looks like its doing: only
    an A/B test tells the two apart.

    Args:
        outcome: the name of an outcome that the loop declares.
        drop: the share by which it may be worse.
        against: with what it is compared: the version that served before.
        for_: how long a version is watched.
        roll_back: let the version before serve again as the alert opens.

    Raises:
        Invalid: a share or a time is none of what is allowed.

    Example:
        >>> import helicline as hl
        >>> hl.watch("conversion", drop=0.05, for_="14d").name
        'watch:conversion'
    """
    if against != "previous":
        raise Invalid("against", against, "previous")
    length_s = seconds("for_", for_)
    return MonitorSpec(
        kind="watch",
        metric=outcome,
        drop=share("drop", drop),
        window_s=min(max(length_s / 200, 1.0), 3600.0),
        persist=1,
        of=1,
        for_s=length_s,
        roll_back=roll_back,
    )
