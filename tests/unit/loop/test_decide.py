"""What a turn does next: a table."""

import msgspec
import pytest

from helicline.loop.decide import TASK_TRIES, Facts, decide
from helicline.records.gate import Check, Evidence, GateReport, Verdict
from helicline.records.model import Approval, PromotionRequest
from support.records import NOW, attempt, pipeline_run, pipeline_spec, rollout, turn


def report(*outcomes):
    verdicts = tuple(
        Verdict(check=Check(kind="latency"), outcome=outcome, reason=f"it is {outcome}") for outcome in outcomes
    )
    return GateReport(
        model="churn",
        number=1,
        digest="d",
        loop="churn",
        turn=1,
        created_at=NOW,
        verdicts=verdicts,
        evidence=Evidence(),
    )


def request(state, *approvals):
    return PromotionRequest(
        id="q", model="churn", number=1, digest="d", role="risk", people=1, requested_by="ada", created_at=NOW,
        state=state, approvals=approvals,
    )  # fmt: skip


def run(state, error=""):
    return pipeline_run(pipeline_spec(), state=state, error=error)


NO = Approval(person="Bo", role="risk", decision="reject", at=NOW, reason="too early")
SUCCEEDED = attempt("SUCCEEDED", result={"dataset_version": "customers@abc"})
TABLE = [
    ("HARVESTING", Facts(), "harvest", ""),
    ("HARVESTING", Facts(attempt=attempt("READY")), "wait", ""),
    ("HARVESTING", Facts(attempt=attempt("LEASED")), "wait", ""),
    ("HARVESTING", Facts(attempt=SUCCEEDED), "train", ""),
    ("HARVESTING", Facts(attempt=attempt("FAILED")), "end", "FAILED"),
    ("HARVESTING", Facts(attempt=attempt("TIMED_OUT")), "end", "FAILED"),
    ("HARVESTING", Facts(attempt=attempt("LOST"), tries=1), "harvest", ""),
    ("HARVESTING", Facts(attempt=attempt("LOST"), tries=TASK_TRIES), "end", "FAILED"),
    ("TRAINING", Facts(), "train", ""),
    ("TRAINING", Facts(pipeline_run=run("RUNNING")), "wait", ""),
    ("TRAINING", Facts(pipeline_run=run("SUCCEEDED")), "register", ""),
    ("TRAINING", Facts(pipeline_run=run("FAILED", "step a: no")), "end", "FAILED"),
    ("TRAINING", Facts(pipeline_run=run("CANCELLED")), "end", "CANCELLED"),
    ("REGISTERING", Facts(candidate_digest="a"), "judge", ""),
    ("REGISTERING", Facts(candidate_digest="a", champion_digest="b"), "judge", ""),
    ("REGISTERING", Facts(candidate_digest="a", champion_digest="a"), "end", "UNCHANGED"),
    ("GATING", Facts(), "judge", ""),
    ("GATING", Facts(attempt=attempt("LEASED")), "wait", ""),
    ("GATING", Facts(attempt=attempt("LOST"), tries=1), "judge", ""),
    ("GATING", Facts(attempt=attempt("FAILED")), "end", "FAILED"),
    ("GATING", Facts(report=report("pass", "waived")), "roll_out", ""),
    ("GATING", Facts(report=report()), "roll_out", ""),
    ("GATING", Facts(report=report("pass"), needs_approval=True), "ask", ""),
    ("GATING", Facts(report=report("pass", "fail")), "reject", ""),
    ("GATING", Facts(report=report("inconclusive")), "reject", ""),
    ("GATING", Facts(report=report("no_data")), "reject", ""),
    ("GATING", Facts(report=report("error")), "reject", ""),
    ("REJECTED", Facts(report=report("fail")), "wait", ""),
    ("REJECTED", Facts(report=report("waived")), "roll_out", ""),
    ("REJECTED", Facts(report=report("waived"), needs_approval=True), "ask", ""),
    ("APPROVING", Facts(), "ask", ""),
    ("APPROVING", Facts(request=request("OPEN")), "wait", ""),
    ("APPROVING", Facts(request=request("APPROVED")), "roll_out", ""),
    ("APPROVING", Facts(request=request("APPROVED"), needs_approval=True), "ask", ""),
    ("APPROVING", Facts(request=request("REJECTED", NO)), "end", "CANCELLED"),
    ("APPROVING", Facts(request=request("VOID")), "end", "CANCELLED"),
    ("ROLLING_OUT", Facts(), "roll_out", ""),
    ("ROLLING_OUT", Facts(rollout_under_way="churn#1"), "wait", ""),
    ("ROLLING_OUT", Facts(rollout=rollout("PROGRESSING")), "wait", ""),
    ("ROLLING_OUT", Facts(rollout=rollout("SUCCEEDED")), "end", "PROMOTED"),
    ("ROLLING_OUT", Facts(rollout=rollout("ROLLED_BACK")), "end", "ROLLED_BACK"),
    ("ROLLING_OUT", Facts(rollout=rollout("FAILED")), "end", "FAILED"),
]


@pytest.mark.parametrize(("state", "facts", "kind", "end"), TABLE)
def test_a_turn_goes_on_by_the_facts_of_its_leg(state, facts, kind, end):
    action = decide(turn(state), facts, NOW)
    assert (action.kind, action.state) == (kind, end)


def test_an_end_says_why():
    rejected = decide(turn("APPROVING"), Facts(request=request("REJECTED", NO)), NOW)
    failed = decide(turn("TRAINING"), Facts(pipeline_run=run("FAILED", "step a: no rows")), NOW)
    assert (rejected.why, failed.why) == ("Bo rejected it: too early", "step a: no rows")


def test_a_rejection_names_every_check_that_did_not_pass():
    action = decide(turn("GATING"), Facts(report=report("fail", "pass", "no_data")), NOW)
    assert action.why == "latency fail: it is fail; latency no_data: it is no_data"


def test_the_harvested_version_is_handed_to_training():
    action = decide(turn("HARVESTING"), Facts(attempt=SUCCEEDED), NOW)
    assert action.detail == {"dataset_version": "customers@abc"}


def test_deciding_changes_nothing():
    gating = turn("GATING")
    before = msgspec.json.encode(gating)
    decide(gating, Facts(report=report("fail")), NOW)
    assert msgspec.json.encode(gating) == before
