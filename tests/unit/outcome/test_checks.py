"""What is said of outcomes, A/B tests and watches that cannot work, where they are written and at `hl apply`."""

import msgspec
import pytest

import helicline as hl
from helicline.errors import Invalid
from helicline.outcome.checks import outcome_problems, watch_problems
from helicline.records.outcome import OutcomeSpec

CONVERSION = hl.outcome("conversion", window="1d")


def problems(*, outcomes=(CONVERSION,), **plan):
    plan = {"outcome": "conversion", "at_least": "1d", "at_most": "7d"} | plan
    return [str(error) for error in outcome_problems(msgspec.structs.replace(hl.ab(**plan), outcomes=outcomes))]


def test_a_test_of_a_declared_outcome_is_fine():
    assert problems() == []
    assert problems(guard=hl.must_not_drop("conversion"), ship="not_worse") == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"outcome": "sales"}, 'hl.outcome("sales")'),
        ({"outcomes": ()}, "none yet"),
        ({"at_most": "1d"}, "more than 86400 s"),
        ({"at_most": "2d", "burn_in": "1d"}, "more than 172800 s"),
        ({"ship": "not_worse"}, 'hl.must_not_drop("conversion")'),
        ({"outcomes": (CONVERSION, CONVERSION)}, "each at most once"),
        ({"outcomes": (CONVERSION, OutcomeSpec(name="x/y"))}, "outcome"),
        ({"outcomes": (CONVERSION, OutcomeSpec(name="x", window_s=0.0))}, "outcome x window_s"),
    ],
)
def test_a_test_that_could_never_decide_is_refused(more, words):
    assert any(words in problem for problem in problems(**more))


def test_a_ramp_is_no_ab_test():
    plan = msgspec.structs.replace(hl.canary(5, 100), outcome="conversion", outcomes=(CONVERSION,))
    assert "steps of 5 %, 100 %" in str(next(outcome_problems(plan)))


@pytest.mark.parametrize(
    ("monitor", "words"),
    [
        (hl.watch("sales"), 'hl.outcome("sales")'),
        (hl.watch("conversion", drop=0.0), "watch conversion drop"),
        (hl.watch("conversion", for_="1d"), "until the end of the watch none would"),
    ],
)
def test_a_watch_that_could_never_see_a_drop_is_refused(monitor, words):
    plan = msgspec.structs.replace(hl.instant(), outcomes=(CONVERSION,))
    bound = msgspec.structs.replace(monitor, outcome=CONVERSION if monitor.metric == "conversion" else None)
    assert words in str(next(watch_problems(bound, plan)))


@pytest.mark.parametrize(
    "write",
    [
        lambda: hl.outcome("conversion", kind="median"),
        lambda: hl.outcome("conversion", better="more"),
        lambda: hl.outcome("conversion", window="soon"),
        lambda: hl.outcome("a/b"),
        lambda: hl.ab(0, outcome="conversion"),
        lambda: hl.ab(100, outcome="conversion"),
        lambda: hl.ab(50, outcome="conversion", ship="never"),
        lambda: hl.ab(50, outcome="conversion", at_least="14d", at_most="7d"),
        lambda: hl.watch("conversion", against="champion"),
        lambda: hl.watch("conversion", drop=2.0),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_written(write):
    with pytest.raises(Invalid):
        write()
