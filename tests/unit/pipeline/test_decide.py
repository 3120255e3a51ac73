"""What a run does next: a table of states."""

from datetime import timedelta

import pytest

from helicline.pipeline.decide import LOST_BUDGET, decide, inputs_of
from helicline.records.pipeline import Source
from support.records import NOW, attempt, output, pipeline_run, pipeline_spec, step_run, step_spec

TWO = (step_spec("a"), step_spec("b", "a"))


def move(first, second="PENDING", *, tried=None, state="RUNNING", now=NOW, steps=TWO, **of_first):
    run = pipeline_run(pipeline_spec(*steps), state=state)
    rows = {"a": step_run("a", first, **of_first), "b": step_run("b", second)}
    return decide(run, rows, {"a": tried} if tried else {}, now=now)


@pytest.mark.parametrize(
    ("first", "second", "kind", "step"),
    [
        ("PENDING", "PENDING", "start", "a"),
        ("RUNNING", "PENDING", "wait", ""),
        ("SUCCEEDED", "PENDING", "start", "b"),
        ("CACHED", "PENDING", "start", "b"),
        ("FAILED", "PENDING", "skip", "b"),
        ("CANCELLED", "PENDING", "skip", "b"),
        ("FAILED", "UPSTREAM_FAILED", "failed", ""),
        ("CANCELLED", "UPSTREAM_FAILED", "failed", ""),
        ("CACHED", "SUCCEEDED", "finish", ""),
        ("SUCCEEDED", "RUNNING", "wait", ""),
    ],
)
def test_a_run_follows_its_steps(first, second, kind, step):
    action = move(first, second)
    assert (action.kind, action.step) == (kind, step)


@pytest.mark.parametrize(
    ("ended", "counts", "retries", "kind"),
    [
        ("FAILED", (1, 0), 0, "fail_step"),
        ("FAILED", (1, 0), 1, "retry"),
        ("FAILED", (2, 0), 1, "fail_step"),
        ("FAILED", (2, 1), 1, "retry"),
        ("TIMED_OUT", (1, 0), 2, "retry"),
        ("LOST", (1, 0), 0, "retry"),
        ("LOST", (LOST_BUDGET + 1, LOST_BUDGET), 5, "fail_step"),
        ("CANCELLED", (1, 0), 5, "cancel_step"),
        ("LEASED", (1, 0), 0, "wait"),
        ("READY", (1, 0), 0, "wait"),
    ],
)
def test_an_attempt_that_ended_is_retried_within_its_budget(ended, counts, retries, kind):
    steps = (step_spec("a", retries=retries), step_spec("b", "a"))
    action = move("RUNNING", tried=attempt(ended), steps=steps, attempt_count=counts[0], lost_count=counts[1])
    assert action.kind == kind


def test_waits_between_retries_double_and_a_lost_one_is_tried_at_once():
    steps = (step_spec("a", retries=9), step_spec("b", "a"))
    third = move("RUNNING", tried=attempt("FAILED"), steps=steps, attempt_count=3)
    lost = move("RUNNING", tried=attempt("LOST"), steps=steps, attempt_count=3)
    assert (third.wake_at - NOW, lost.wake_at - NOW) == (timedelta(seconds=4), timedelta(0))


def test_a_retry_starts_when_its_time_has_come():
    later = NOW + timedelta(seconds=4)
    assert move("RETRY_WAIT", retry_at=later).kind == "wait"
    assert move("RETRY_WAIT", retry_at=later).wake_at == later
    assert move("RETRY_WAIT", retry_at=later, now=later).kind == "start"


@pytest.mark.parametrize(
    ("first", "tried", "kind", "step"),
    [
        ("RUNNING", attempt("LEASED"), "cancel_step", "a"),
        ("RUNNING", attempt("LEASED", cancel=True), "wait", ""),
        ("RUNNING", attempt("READY"), "cancel_step", "a"),
        ("RUNNING", attempt("CANCELLED"), "cancel_step", "a"),
        ("RETRY_WAIT", attempt("FAILED"), "cancel_step", "a"),
        ("CANCELLED", None, "cancel_step", "b"),
    ],
)
def test_cancelling_ends_every_step_and_waits_for_leased_ones(first, tried, kind, step):
    action = move(first, tried=tried, state="CANCELLING")
    assert (action.kind, action.step) == (kind, step)


def test_cancelling_is_over_when_all_have_ended():
    assert move("CANCELLED", "CANCELLED", state="CANCELLING").kind == "cancelled"


def test_inputs_come_from_steps_and_datasets_once_they_are_there():
    both = step_spec("c", inputs={"x": Source(step="a"), "y": Source(dataset="d@main")})
    table = output("Table")
    assert inputs_of(both, {"a": step_run("a", "RUNNING")}, {"d@main": table}) is None
    ready = {"a": step_run("a", "CACHED", outputs=(output(),))}
    assert inputs_of(both, ready, {"d@main": table}) == {"x": output(), "y": table}
