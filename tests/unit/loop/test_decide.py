"""What a turn does next: a table."""

from datetime import timedelta

import msgspec
import pytest

from helicline.loop.decide import TASK_TRIES, TurnFacts, decide
from helicline.records.contract import CheckResult, DataAudit
from helicline.records.gate import Check, Evidence, GateReport, Verdict
from helicline.records.model import Approval, PromotionRequest
from support.records import NOW, attempt, pipeline_run, pipeline_spec, rollout, training_spec, turn


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


def busy(created_at=NOW, *outcomes):
    """A report whose latency check only the busy host kept from passing."""
    verdict = Verdict(
        check=Check(kind="latency"), outcome="inconclusive", reason="p99 163 ms; the host was busy (load 7)"
    )
    return msgspec.structs.replace(
        report(*outcomes), created_at=created_at, verdicts=(verdict, *report(*outcomes).verdicts)
    )


def request(state, *approvals):
    return PromotionRequest(
        id="q", model="churn", number=1, digest="d", role="risk", people=1, requested_by="ada", created_at=NOW,
        state=state, approvals=approvals,
    )  # fmt: skip


def run(state, error="", *, spec=None):
    return pipeline_run(spec or training_spec(), state=state, error=error)


NO = Approval(person="Bo", role="risk", decision="reject", at=NOW, reason="too early")
SUCCEEDED = attempt("SUCCEEDED", result={"dataset_version": "customers@abc"})
TABLE = [
    ("HARVESTING", TurnFacts(), "harvest", ""),
    ("HARVESTING", TurnFacts(attempt=attempt("READY")), "wait", ""),
    ("HARVESTING", TurnFacts(attempt=attempt("LEASED")), "wait", ""),
    ("HARVESTING", TurnFacts(attempt=SUCCEEDED), "train", ""),
    ("HARVESTING", TurnFacts(attempt=attempt("FAILED")), "end", "FAILED"),
    ("HARVESTING", TurnFacts(attempt=attempt("TIMED_OUT")), "end", "FAILED"),
    ("HARVESTING", TurnFacts(attempt=attempt("LOST"), tries=1), "harvest", ""),
    ("HARVESTING", TurnFacts(attempt=attempt("LOST"), tries=TASK_TRIES), "end", "FAILED"),
    ("TRAINING", TurnFacts(), "train", ""),
    ("TRAINING", TurnFacts(pipeline_run=run("RUNNING")), "wait", ""),
    ("TRAINING", TurnFacts(pipeline_run=run("SUCCEEDED")), "register", ""),
    ("TRAINING", TurnFacts(pipeline_run=run("SUCCEEDED", spec=pipeline_spec())), "end", "SUCCEEDED"),
    ("TRAINING", TurnFacts(pipeline_run=run("FAILED", "step a: no")), "end", "FAILED"),
    ("TRAINING", TurnFacts(pipeline_run=run("CANCELLED")), "end", "CANCELLED"),
    ("REGISTERING", TurnFacts(candidate_digest="a"), "judge", ""),
    ("REGISTERING", TurnFacts(candidate_digest="a", champion_digest="b"), "judge", ""),
    ("REGISTERING", TurnFacts(candidate_digest="a", champion_digest="a"), "end", "UNCHANGED"),
    ("GATING", TurnFacts(), "judge", ""),
    ("GATING", TurnFacts(attempt=attempt("LEASED")), "wait", ""),
    ("GATING", TurnFacts(attempt=attempt("LOST"), tries=1), "judge", ""),
    ("GATING", TurnFacts(attempt=attempt("FAILED", killed=True), tries=1), "judge", ""),
    ("GATING", TurnFacts(attempt=attempt("FAILED", killed=True), tries=TASK_TRIES), "end", "FAILED"),
    ("HARVESTING", TurnFacts(attempt=attempt("FAILED", killed=True), tries=2), "harvest", ""),
    ("GATING", TurnFacts(attempt=attempt("FAILED")), "end", "FAILED"),
    ("GATING", TurnFacts(report=report("pass", "waived")), "roll_out", ""),
    ("GATING", TurnFacts(report=report()), "roll_out", ""),
    ("GATING", TurnFacts(report=report("pass"), needs_approval=True), "ask", ""),
    ("GATING", TurnFacts(report=report("pass", "fail")), "reject", ""),
    ("GATING", TurnFacts(report=report("inconclusive")), "reject", ""),
    ("GATING", TurnFacts(report=report("no_data")), "reject", ""),
    ("GATING", TurnFacts(report=busy(), attempt=attempt("SUCCEEDED"), tries=1), "wait", ""),
    ("GATING", TurnFacts(report=busy(NOW - timedelta(seconds=15)), attempt=SUCCEEDED, tries=1), "judge", ""),
    ("GATING", TurnFacts(report=busy(NOW - timedelta(seconds=59)), attempt=SUCCEEDED, tries=2), "wait", ""),
    ("GATING", TurnFacts(report=busy(NOW - timedelta(seconds=60), "pass"), attempt=SUCCEEDED, tries=1), "judge", ""),
    ("GATING", TurnFacts(report=busy(NOW - timedelta(seconds=60), "fail"), attempt=SUCCEEDED, tries=1), "reject", ""),
    ("GATING", TurnFacts(report=busy(NOW - timedelta(days=1)), attempt=SUCCEEDED, tries=5), "reject", ""),
    ("GATING", TurnFacts(report=busy(NOW - timedelta(hours=1)), attempt=attempt("LEASED"), tries=2), "wait", ""),
    ("GATING", TurnFacts(report=busy(NOW - timedelta(hours=1)), attempt=attempt("LOST"), tries=2), "judge", ""),
    ("GATING", TurnFacts(report=report("error")), "reject", ""),
    ("REJECTED", TurnFacts(report=report("fail")), "wait", ""),
    ("REJECTED", TurnFacts(report=report("waived")), "roll_out", ""),
    ("REJECTED", TurnFacts(report=report("waived"), needs_approval=True), "ask", ""),
    ("APPROVING", TurnFacts(), "ask", ""),
    ("APPROVING", TurnFacts(request=request("OPEN")), "wait", ""),
    ("APPROVING", TurnFacts(request=request("APPROVED")), "roll_out", ""),
    ("APPROVING", TurnFacts(request=request("APPROVED"), needs_approval=True), "ask", ""),
    ("APPROVING", TurnFacts(request=request("REJECTED", NO)), "end", "CANCELLED"),
    ("APPROVING", TurnFacts(request=request("VOID")), "end", "CANCELLED"),
    ("ROLLING_OUT", TurnFacts(), "roll_out", ""),
    ("ROLLING_OUT", TurnFacts(rollout_under_way="churn#1"), "wait", ""),
    ("ROLLING_OUT", TurnFacts(rollout=rollout("PROGRESSING")), "wait", ""),
    ("ROLLING_OUT", TurnFacts(rollout=rollout("SUCCEEDED")), "end", "PROMOTED"),
    ("ROLLING_OUT", TurnFacts(rollout=rollout("ROLLED_BACK")), "end", "ROLLED_BACK"),
    ("ROLLING_OUT", TurnFacts(rollout=rollout("FAILED")), "end", "FAILED"),
]


@pytest.mark.parametrize(("state", "facts", "kind", "end"), TABLE)
def test_a_turn_goes_on_by_the_facts_of_its_leg(state, facts, kind, end):
    action = decide(turn(state), facts, NOW)
    assert (action.kind, action.state) == (kind, end)


def test_an_end_says_why():
    rejected = decide(turn("APPROVING"), TurnFacts(request=request("REJECTED", NO)), NOW)
    failed = decide(turn("TRAINING"), TurnFacts(pipeline_run=run("FAILED", "step a: no rows")), NOW)
    assert (rejected.why, failed.why) == ("Bo rejected it: too early", "step a: no rows")


def test_a_rejection_names_every_check_that_did_not_pass():
    action = decide(turn("GATING"), TurnFacts(report=report("fail", "pass", "no_data")), NOW)
    assert action.why == "latency fail: it is fail; latency no_data: it is no_data"


def test_the_harvested_version_is_handed_to_training():
    action = decide(turn("HARVESTING"), TurnFacts(attempt=SUCCEEDED), NOW)
    assert action.detail == {"dataset_version": "customers@abc"}


@pytest.mark.parametrize(
    ("audit", "kind", "why"),
    [
        (DataAudit(state="waiting", number=1), "wait", "it waits for the checks of customers@abc"),
        (DataAudit(state="passed", number=1), "train", ""),
        (
            DataAudit(state="failed", number=1, results=(CheckResult(check="rows", outcome="fail", detail="2 rows"),)),
            "end",
            "the harvested rows do not keep the contract of customers@abc: rows (2 rows)",
        ),
        (
            DataAudit(state="error", number=1, why="it timed out"),
            "end",
            "the harvested rows do not keep the contract of customers@abc: it timed out",
        ),
    ],
)
def test_what_was_harvested_is_learned_from_when_it_keeps_its_contract(audit, kind, why):
    action = decide(turn("HARVESTING"), TurnFacts(attempt=SUCCEEDED, audit=audit), NOW)
    assert (action.kind, action.why) == (kind, why)


def test_deciding_changes_nothing():
    gating = turn("GATING")
    before = msgspec.json.encode(gating)
    decide(gating, TurnFacts(report=report("fail")), NOW)
    assert msgspec.json.encode(gating) == before
