"""Reports and waivers, on both databases."""

import msgspec
import pytest

from helicline.errors import Conflict, Invalid, NotFound
from helicline.gate import reports
from helicline.records.gate import Check, Evidence
from helicline.records.model import ModelVersion
from helicline.store.rows import event
from support.records import NOW

VERSION = ModelVersion(
    model="churn", number=7, source="s", artifact_root="r", run_id="", model_id="", digest="d7", created_at=NOW,
    updated_at=NOW, created_by="t",
)  # fmt: skip
CHECKS = (Check(kind="at_least", metric="auc", limit=0.9), Check(kind="at_least", metric="f1", limit=0.1))
EVIDENCE = Evidence(metrics={"auc": 0.8, "f1": 0.5})
WHY = {"person": "Ada", "reason": "agreed in the review"}


@pytest.fixture
def judged(store):
    store.write(lambda tx: reports.record(tx, VERSION, CHECKS, EVIDENCE))
    return store


def test_a_report_is_bound_to_the_digest_and_told_on_the_bus(judged):
    stored = judged.read(lambda tx: reports.nouns.REPORTS.get(tx, "churn", 7))
    assert (stored.digest, stored.passed) == ("d7", False)
    recorded = judged.read(lambda tx: event.latest(tx, noun="gate"))[0]
    assert recorded.detail["verdicts"] == {"at_least:auc": "fail", "at_least:f1": "pass"}


def test_a_waiver_names_person_reason_and_what_it_was(judged):
    waived = judged.write(lambda tx: reports.waive(tx, "churn", 7, check="at_least:auc", **WHY))
    assert waived.passed
    assert (waived.verdicts[0].waived_by, waived.verdicts[0].observed) == ("Ada", 0.8)
    assert judged.read(lambda tx: event.latest(tx, noun="gate"))[0].detail["was"] == "fail"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"person": " "}, Invalid),
        ({"reason": "because"}, Invalid),
        ({"check": "latency"}, NotFound),
        ({"check": "at_least:f1"}, Conflict),
    ],
)
def test_a_waiver_without_ground_is_refused(judged, change, error):
    how = {"check": "at_least:auc", **WHY, **change}
    with pytest.raises(error):
        judged.write(lambda tx: reports.waive(tx, "churn", 7, **how))


def test_judging_again_replaces_the_report_and_its_waivers(judged):
    judged.write(lambda tx: reports.waive(tx, "churn", 7, check="at_least:auc", **WHY))
    other = msgspec.structs.replace(VERSION, digest="other")
    stored = judged.write(lambda tx: reports.record(tx, other, CHECKS, EVIDENCE))
    assert (stored.digest, stored.passed) == ("other", False)
