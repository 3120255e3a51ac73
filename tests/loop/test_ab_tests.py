"""A/B tests through the reconciler: a turn's candidate serves half of the units, and their outcomes decide."""

from datetime import timedelta

import msgspec
import pytest

from helicline.errors import Invalid, NotFound
from helicline.loop import loops
from helicline.loop.evidence import rollout_estimate
from helicline.outcome import report
from helicline.records.deployment import Guard, RolloutPlan, RolloutStep
from helicline.records.monitor import MonitorSpec
from helicline.records.outcome import OutcomeSpec
from helicline.serving import rollout as rollouts
from helicline.store import nouns
from support.prediction_log import Log, call, label, micros
from support.records import commit
from support.simulated_loop import SPEC, SimulatedLoop

HOUR = timedelta(hours=1)
PLAN = RolloutPlan(
    steps=(RolloutStep(weight_bp=5000, min_requests=0, min_s=2 * 3600, max_s=8 * 3600),),
    guards=(Guard(kind="feedback", metric="conversion", margin=0.05),),
    outcomes=(OutcomeSpec(name="conversion", window_s=3600), OutcomeSpec(name="revenue", kind="sum", window_s=3600)),
    outcome="conversion",
)


WATCH = MonitorSpec(
    kind="watch", metric="conversion", outcome=PLAN.outcomes[0], drop=0.05, for_s=12 * 3600, window_s=300.0, persist=1,
    of=1, roll_back=True,
)  # fmt: skip


class Shop(SimulatedLoop):
    """A loop whose rollout is an A/B test, with users who call, and some who buy."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.log = Log(self.context.home)
        self.users = 0

    def set_up(self):
        commit(self.store, self.blobs, b"first rows")
        spec = msgspec.structs.replace(SPEC, rollout=PLAN, monitors=(WATCH,))
        self.store.write(lambda tx: loops.apply(tx, spec))

    def begin_test(self):
        """Turn twice: the first model serves at once, the second one is tested."""
        self.first_turn()
        self.alarm()
        self.until(lambda: self.rollout().number == 2 and self.rollout().state == "PROGRESSING")

    def rollout(self):
        return max(self.store.read(self.rollouts), key=lambda row: row.number)

    def rollouts(self, tx):
        return nouns.ROLLOUTS.select(tx)

    def hour(self, *, stable, candidate=0, users=2000, candidates=None):
        """Serve users of both variants; so many of each buy half an hour later, and only they are told of."""
        of_candidate = users // 2 if candidates is None else candidates
        lines, labels = [], []
        deployment, rollout = self.store.read(lambda tx: nouns.DEPLOYMENTS.get(tx, "churn")), self.rollout()
        place = {"rollout": 2, "stage": 1, "weight_bp": 5000} if rollout.state in ("PROGRESSING", "PAUSED") else {}
        for variant, count, buyers in (
            ("stable", users - of_candidate, stable),
            ("candidate", of_candidate, candidate),
        ):
            revision = deployment.stable if variant == "stable" else rollout.candidate
            for at in range(count):
                point = at % 5000 + (5000 if variant == "stable" else 0)
                lines.append(self.visit(variant=variant, revision=revision, point=point, **place))
                if at < buyers:
                    labels += self.order()
        self.log.add(*lines)
        self.log.add(*labels, kind="labels")
        for _ in range(6):
            self.clock.advance(600)
            self.survive(self.round)

    def test(self, hours=9, **hour):
        """Go on until the test is over."""
        while self.rollout().state == "PROGRESSING" and (hours := hours - 1) >= 0:
            self.hour(**hour)
        return self.over()

    def visit(self, **fields):
        self.users += 1
        return call(self.clock.now(), number=self.users, unit_key_hash=f"{self.users:016x}", **fields)

    def order(self):
        fields = {
            "unit_key_hash": f"{self.users:016x}",
            "event_id": f"order-{self.users}",
            "ts_us": micros(self.clock.now() + HOUR / 2),
        }
        return [label("", value, name=name, **fields) for name, value in (("conversion", "1"), ("revenue", "20"))]

    def over(self):
        self.until(lambda: self.is_over(2))
        return self.rollout(), self.turns()[1]


@pytest.fixture
def shop(tmp_path, blobs):
    shop = Shop(f"sqlite:///{tmp_path / 'meta.db'}", tmp_path / "home", blobs)
    shop.begin_test()
    return shop


def test_a_better_candidate_ships_on_what_users_did(shop):
    rollout, turn = shop.test(stable=217, candidate=300)
    assert (rollout.state, rollout.conclusion, turn.state) == ("SUCCEEDED", "better", "PROMOTED")
    conversion, revenue = rollout.outcomes
    assert conversion.candidate.mean == pytest.approx(0.3)
    assert conversion.lift_low > 0
    assert (revenue.decides, revenue.stable.mean) == (False, pytest.approx(4.34))


def test_a_worse_candidate_is_rolled_back_although_every_label_that_came_says_one(shop):
    rollout, turn = shop.test(stable=217, candidate=53)
    assert (rollout.state, rollout.conclusion, turn.state) == ("ROLLED_BACK", "worse", "ROLLED_BACK")
    assert "conversion 0.053 on 1000 users against 0.217" in rollout.reason


def test_without_a_difference_the_old_one_stays(shop):
    rollout, turn = shop.test(stable=65, candidate=65, users=600)
    assert (rollout.state, rollout.conclusion) == ("ROLLED_BACK", "no_difference")
    assert "no difference in 8 hours, so the old one stays" in turn.result


def test_a_wrong_sample_ratio_waits_for_a_person(shop):
    for _ in range(3):
        shop.hour(stable=300, candidate=200, users=2000, candidates=700)
    rollout = shop.rollout()
    assert rollout.state == "PAUSED"
    assert "wrong sample ratio: 2100 of 6000 units to the candidate, planned 50%" in rollout.reason
    shop.store.write(lambda tx: rollouts.roll_back(tx, "churn", reason="the balancer lost them"))
    assert shop.over()[0].state == "ROLLED_BACK"


def test_a_test_goes_on_after_a_restart_of_the_server(shop):
    shop.hour(stable=217, candidate=300)
    shop.clock.advance(20)
    shop.reconciler = shop.started()
    assert shop.test(stable=217, candidate=300)[0].conclusion == "better"


def test_a_promoted_version_that_does_worse_than_the_one_before_is_rolled_back(shop):
    assert shop.test(stable=217, candidate=300)[1].state == "PROMOTED"
    for _ in range(4):
        shop.hour(stable=100, users=1000, candidates=0)
    serving = shop.store.read(lambda tx: nouns.DEPLOYMENTS.get(tx, "churn"))
    assert (serving.stable, serving.previous) == (1, 2)
    turn = shop.turns()[1]
    assert (turn.state, turn.legs[-1].name, turn.legs[-1].result) == ("PROMOTED", "watch", "rolled back")
    assert "then rolled back: conversion 0.1 of 1000 users, 0.217 of 1000" in turn.result
    alert, *_ = shop.store.read(lambda tx: [row for row in nouns.ALERTS.select(tx) if row.kind == "watch"])
    assert alert.monitor == "watch:conversion"
    for _ in range(4):
        shop.hour(stable=50, users=1000, candidates=0)
    assert shop.store.read(lambda tx: nouns.DEPLOYMENTS.get(tx, "churn")).stable == 1


def test_a_version_that_does_as_well_as_the_one_before_stays(shop):
    shop.test(stable=217, candidate=300)
    for _ in range(5):
        shop.hour(stable=217, users=1000, candidates=0)
    assert shop.store.read(lambda tx: nouns.DEPLOYMENTS.get(tx, "churn")).stable == 2
    windows = shop.store.read(lambda tx: nouns.WINDOWS.select(tx, nouns.WINDOWS.table.c.monitor == "watch:conversion"))
    assert {window.severity for window in windows} == {"insufficient_data", "ok"}


def test_the_report_of_a_test_says_what_was_compared_and_who_did_not_count(shop):
    rollout, _ = shop.test(stable=217, candidate=300)
    text = report.markdown(rollout, stable="churn/1", candidate="churn/2")
    assert "# churn#2: churn/2 against churn/1" in text
    assert "**SUCCEEDED**: the candidate is better and serves all." in text
    assert "| conversion | yes | 0.217 of 2000 users | 0.3 of 2000 users | +38.2% | +1" in text
    assert "| revenue |  | 4.34 of 2000 users | 6 of 2000 users | +38.2% |" in text
    assert "users without any count as 0." in text


def test_the_plan_of_a_test_says_how_long_it_takes_at_this_traffic(shop):
    shop.test(stable=65, candidate=65, users=600)
    planned = rollout_estimate.estimated(shop.context, "churn")
    (conversion, _) = planned.estimates
    assert conversion.mean == pytest.approx(65 / 300)
    spread = 65 / 300 * (1 - 65 / 300) * conversion.durations[-1].lift ** -2 / (65 / 300) ** 2
    assert conversion.durations[-1].units == pytest.approx(6.18 * 1.6 * 4 * spread, rel=0.01)
    assert planned.sentences[0].startswith("conversion: about ")


def test_what_cannot_be_planned_says_why(shop):
    with pytest.raises(NotFound):
        rollout_estimate.estimated(shop.context, "nobody")
    assert "too little to plan with" in rollout_estimate.estimated(shop.context, "churn").sentences[0]
    shop.store.write(lambda tx: loops.apply(tx, SPEC))
    with pytest.raises(Invalid, match="no A/B test"):
        rollout_estimate.estimated(shop.context, "churn")
