"""What cannot work is told before anything runs, all of it at once."""

from datetime import UTC, datetime

import msgspec
import pytest

import helicline as hl
from helicline.data import contracts
from helicline.errors import Invalid
from helicline.loop import loops, spec_checks
from helicline.records.loop import ApprovalRule, TriggerSpec
from helicline.records.metric import MetricSpec
from helicline.records.pipeline import Source
from support.records import commit, loop_spec

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def problems(store, **changes):
    spec = msgspec.structs.replace(loop_spec(), **changes)
    return store.read(lambda tx: [(problem.field, problem.hint) for problem in spec_checks.problems_of(tx, spec)])


def pipeline(*, function="loop:train", **candidate):
    base = loop_spec().pipeline
    steps = (msgspec.structs.replace(base.steps[0], function=function), *base.steps[1:])
    return msgspec.structs.replace(
        base,
        steps=steps,
        candidate=msgspec.structs.replace(base.candidate, **candidate) if candidate else base.candidate,
    )


OWN = MetricSpec(base="revenue", better="higher", function="loop:revenue")


def gate(definition, **changes):
    return msgspec.structs.replace(hl.at_least(definition.name, 0.5), definition=definition, **changes)


NO_CANDIDATE = msgspec.structs.replace(loop_spec().pipeline, candidate=None)
NO_ROWS = {"holdout": None, "reference": None}
CASES = {
    "a metric of one's own without rows": (
        {"gates": (gate(OWN),), "pipeline": pipeline(**NO_ROWS)},
        "gate at_least:revenue",
    ),
    "a built-in metric with options and without rows": (
        {"gates": (hl.at_least("ndcg@5", 0.1, group="user"),), "pipeline": pipeline(**NO_ROWS)},
        "gate at_least:ndcg@5/user",
    ),
    "a metric of one's own with a built-in name": (
        {"gates": (gate(msgspec.structs.replace(OWN, base="auc")),)},
        "metric auc",
    ),
    "a lambda as a metric": (
        {"gates": (gate(msgspec.structs.replace(OWN, function="loop:<lambda>")),)},
        "metric revenue",
    ),
    "a definition of another metric": ({"gates": (gate(OWN, metric="profit"),)}, "gate at_least:profit"),
    "a definition of nothing": (
        {"gates": (gate(MetricSpec(base="ndgc@5", better="higher", group="user")),)},
        "gate at_least:ndgc@5/user",
    ),
    "a paired gate on a metric of one's own": ({"gates": (hl.not_worse("ndcg_at_10"),)}, "gate not_worse:ndcg_at_10"),
    "a paired gate without rows": (
        {"gates": (hl.not_worse("auc"),), "pipeline": pipeline(**NO_ROWS)},
        "gate not_worse:auc",
    ),
    "a latency gate without rows": (
        {"gates": (hl.latency(p99_ms=5),), "pipeline": pipeline(**NO_ROWS)},
        "gate latency",
    ),
    "a gate on a metric that nothing computes": (
        {"gates": (hl.at_least("ndcg", 0.5),), "pipeline": pipeline(metrics=None)},
        "gate at_least:ndcg",
    ),
    "a lambda as a step": (
        {"pipeline": pipeline(function="loop:<lambda>")},
        "step split",
    ),
    "a step inside of a function": (
        {"pipeline": pipeline(function="loop:make.<locals>.train")},
        "step split",
    ),
    "a role that nobody can hold": ({"approval": ApprovalRule(role="risk")}, "approval role"),
    "a day that never comes": ({"triggers": (TriggerSpec(kind="schedule", cron="0 0 31 2 *"),)}, "cron"),
    "a contract with a share over 1": ({"contracts": (hl.contract("customers", nulls={"age": 5}),)}, "nulls"),
    "drift without rows to compare with": (
        {"monitors": (hl.drift(),), "pipeline": pipeline(**NO_ROWS)},
        "monitor drift",
    ),
    "a gate against another than the champion": (
        {"gates": (hl.not_worse("auc", than="champoin"),)},
        "gate not_worse:auc",
    ),
    "a signature of another than the champion": ({"gates": (hl.compatible(than="previous"),)}, "gate signature"),
    "gates without a candidate": ({"gates": (hl.at_least("auc", 0.5),), "pipeline": NO_CANDIDATE}, "pipeline churn"),
    "a harvest without a candidate": (
        {"triggers": (hl.every("day", harvest=True),), "pipeline": NO_CANDIDATE},
        "pipeline churn",
    ),
    "an alert of a monitor that there is not": ({"triggers": (hl.on_alert("latency"),)}, "trigger on_alert"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_work_is_a_problem_of_its_field(store, case):
    changes, field = CASES[case]
    assert field in [name for name, _ in problems(store, **changes)]


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_work_is_not_recorded(store, case):
    spec = msgspec.structs.replace(loop_spec(), **CASES[case][0])
    with pytest.raises(Invalid):
        store.write(lambda tx: loops.apply(tx, spec))
    assert store.read(loops.nouns.LOOPS.select) == []


def test_a_pipeline_without_a_candidate_may_run_on_a_schedule(store):
    assert problems(store, pipeline=NO_CANDIDATE, triggers=(hl.every("day"), hl.on_new_data("rows"))) == []


def test_a_loop_that_may_run_has_no_problem(store):
    assert problems(store) == []
    assert problems(store, gates=(hl.at_least("ndcg", 0.5),)) == []  # the pipeline may report it
    assert problems(store, gates=(hl.not_worse("auc"), hl.latency(p99_ms=50))) == []


def test_metrics_of_every_kind_may_be_compared(store):
    names = ("brier", "calibration_error", "ndcg@10", "recall@5", "mrr", "pinball@0.9", "coverage@0.1-0.9")
    assert problems(store, gates=(*map(hl.not_worse, names), gate(OWN, kind="not_worse"))) == []


def test_without_rows_interfaces_are_compared_and_what_the_pipeline_reports_is_tested(store):
    assert problems(store, pipeline=pipeline(**NO_ROWS), gates=(hl.compatible(), hl.at_least("auc", 0.5))) == []


def test_all_problems_are_told_at_once(store):
    changes = {"gates": (hl.not_worse("ndcg"), hl.not_worse("f9")), "approval": ApprovalRule(role="x", people=0)}
    assert [field for field, _ in problems(store, **changes)] == [
        "gate not_worse:ndcg",
        "gate not_worse:f9",
        "approval people",
        "approval role",
    ]


def test_a_holdout_may_be_a_dataset_that_the_pipeline_reads(store):
    changes = pipeline(holdout=Source(dataset="customers@main"), reference=Source(dataset="customers@main"))
    assert problems(store, pipeline=changes, gates=(hl.not_worse("auc"),)) == []


def warnings(store, **changes):
    spec = msgspec.structs.replace(loop_spec(), **changes)
    return store.read(
        lambda tx: [(problem.field, problem.got, problem.severity) for problem in spec_checks.warnings_of(tx, spec)]
    )


def test_a_candidate_that_nothing_is_measured_of_is_told(store):
    *_, (field, text, severity) = warnings(store, pipeline=pipeline(**NO_ROWS))
    assert (field, severity) == ("pipeline churn", "warning")
    assert text.startswith("a candidate without a hold-out: nothing is measured")


def test_data_that_is_not_there_yet_is_a_warning_and_no_error(store, blobs):
    awaited = {"triggers": (hl.on_new_data("orders"),)}
    assert warnings(store, **awaited) == [
        ("trigger new_data", "orders", "warning"),
        ("step split", "customers@main", "warning"),
    ]
    assert problems(store, **awaited) == []
    commit(store, blobs, b"a\n1\n")
    assert warnings(store) == []


def test_a_loop_records_the_contract_of_its_data_and_its_changes(store):
    def apply(**rules):
        spec = msgspec.structs.replace(loop_spec(), contracts=(hl.contract("customers", **rules),))
        store.write(lambda tx: loops.apply(tx, spec))
        return store.read(lambda tx: contracts.get(tx, "customers"))

    assert [apply(unique=["id"]).number, apply(unique=["id"]).number, apply(unique=["key"]).number] == [1, 1, 2]
    assert apply(unique=["key"]).loop == loop_spec().name
