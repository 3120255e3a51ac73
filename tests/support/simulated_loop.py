"""A whole circle without processes: a played worker, gateway and person, on a clock that is moved by hand.

They act only through what a real worker or gateway can reach: orders, completions, desired state, observations.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import msgspec

from helicline import bus
from helicline.clock import FakeClock
from helicline.data import versions
from helicline.errors import Conflict
from helicline.loop import audits, loops, task_specs, turns
from helicline.loop.context import Context
from helicline.loop.reconciler import Reconciler
from helicline.monitor import alerting
from helicline.records.dataset import Commit, FileEntry
from helicline.records.deployment import Guard, Observed, RevisionStatus, RolloutPlan, RolloutStep, VariantCounts
from helicline.records.gate import Check, Evidence
from helicline.records.loop import FINISHED, ApprovalRule, Cause, Loop, TriggerSpec
from helicline.records.monitor import Monitor, MonitorSpec, Window
from helicline.records.pipeline import Completion, TaskSpec
from helicline.registry import alias_of
from helicline.registry.approvals import decide_request
from helicline.serving import deployments
from helicline.settings import Settings
from helicline.store import nouns
from helicline.store.database import Store
from helicline.store.migrations import upgrade
from helicline.store.unit import Tx
from support.records import commit, completion, logged_model, loop_spec, output

LEASE_S = 15.0
PLAN = RolloutPlan(
    steps=(
        RolloutStep(weight_bp=500, min_requests=50, min_s=2),
        RolloutStep(weight_bp=10_000, min_requests=50, min_s=2),
    ),
    guards=(Guard(kind="error_rate", limit=0.05),),
)
SPEC = loop_spec(
    gates=(Check(kind="at_least", metric="accuracy", limit=0.8),),
    approval=ApprovalRule(role="approver"),
    rollout=PLAN,
    triggers=(TriggerSpec(kind="alert", monitors=("performance",), cool_down_s=60.0, harvest=True),),
)
MONITOR = MonitorSpec(kind="performance", metric="accuracy", at_least=0.8)


class Killed(BaseException):
    """The process ended at this instruction."""


class _Undone(Exception):
    """Rolls the move back that the process did not live to commit."""


class KillableStore(Store):
    """A store whose process dies before or right after its n-th move: a unit of work that emits an event."""

    pragmas = (*Store.pragmas, "synchronous=OFF")  # what dies here is a process, never the machine

    def __init__(self, url: str, clock: FakeClock) -> None:
        super().__init__(url, clock)
        self.moves = 0
        self.kill: tuple[str, int] | None = None

    def write(self, unit: Any, **how: Any) -> Any:
        emitted = False

        def watched(tx: Tx) -> Any:
            nonlocal emitted
            value = unit(tx)
            emitted = bool(tx.emitted)
            if emitted and self.kill == ("before", self.moves + 1):
                raise _Undone
            return value

        try:
            value = super().write(watched, **how)
        except _Undone:
            self.kill = None
            raise Killed from None
        self.moves += emitted
        if emitted and self.kill == ("after", self.moves):
            self.kill = None
            raise Killed
        return value


class SimulatedLoop:
    """Server, worker, gateway and people of one loop."""

    def __init__(self, url: str, home: Path, blobs: Any, *, accuracy: float = 0.9, errors: float = 0.0) -> None:
        self.clock = FakeClock()
        self.store = KillableStore(url, self.clock)
        upgrade(self.store)
        self.blobs, self.accuracy, self.errors = blobs, accuracy, errors
        self.context = Context(self.store, blobs, Settings(home=str(home), lease_s=LEASE_S))
        self.starts = 0
        self.down: dict[int, str] = {}  # revisions that the gateway cannot load, with the reason
        self.lost_wake_ups: list[str] = []  # rows whose wake-up a test keeps back
        self.reconciler = self.started()

    def started(self) -> Reconciler:
        self.starts += 1
        return Reconciler(self.context, holder=f"server-{self.starts}")

    def survive(self, act: Any) -> None:
        """Do it; where the process dies on the way start another, once the leases of the dead one are over."""
        try:
            act()
        except Killed:
            self.clock.advance(LEASE_S + 1)
            self.reconciler = self.started()

    def until(self, is_over: Any) -> None:
        """Let everybody act, second by second, until it is over."""
        for _ in range(400):
            if is_over():
                return
            self.survive(self.round)
            self.clock.advance(1)
        raise AssertionError(f"never over: {self.turns()}")

    def round(self) -> None:
        self.reconciler.tick()
        self.work()
        self.observe()
        self.approve()

    # the person

    def set_up(self) -> None:
        commit(self.store, self.blobs, b"first rows")
        self.store.write(lambda tx: loops.apply(tx, SPEC))

    def turn_by_hand(self) -> None:
        """Begin a turn as a client does that asks again where it got no answer."""
        cause = Cause(kind="person", subject="ada", sentence="ada ran it")
        while not self.turns():
            self.survive(lambda: self.store.write(lambda tx: turns.begin(tx, nouns.LOOPS.get(tx, "churn"), cause)))

    def approve(self) -> None:
        for request in self.store.read(nouns.REQUESTS.select):
            if request.state != "OPEN":
                continue
            for person in ("bo", "cy")[: request.people]:
                self.store.write(
                    lambda tx, open_request=request, person=person: decide_request(
                        tx, open_request.id, person=person, role=open_request.role, approve=True
                    )
                )

    # the monitor

    def add_monitor(self) -> Monitor:
        """Watch the deployment, beside the monitors of the loop."""
        return self.store.write(
            lambda tx: nouns.MONITORS.insert(
                tx,
                Monitor(
                    deployment="churn", name=MONITOR.name, spec=MONITOR, loop="churn", created_at=tx.now, wake_at=tx.now
                ),
            )
        )

    def alarm(self) -> None:
        """Raise the alert that two bad windows in a row raise."""

        def window(tx: Tx) -> Window:
            return Window(
                deployment="churn", monitor=MONITOR.name, start=tx.now, end=tx.now, severity="critical", row_count=500,
                model_version=1,
            )  # fmt: skip

        def is_open() -> bool:
            return self.store.read(lambda tx: alerting.open_alert(tx, "churn", MONITOR.name)) is not None

        while not is_open():
            self.survive(lambda: self.store.write(lambda tx: alerting.apply(tx, MONITOR, window(tx), [window(tx)])))

    # the worker

    def work(self) -> None:
        while (order := self.take()) is not None:
            report = getattr(self, f"do_{order.task}")(order)
            self.store.write(lambda tx, o=order, r=report: task_specs.complete(tx, o.attempt, r), actor="worker")

    def take(self) -> TaskSpec | None:
        def write(unit: Any) -> Any:
            return self.store.write(unit, actor="worker")

        return task_specs.lease_next(self.store.read, write, worker="w", lease_s=LEASE_S)

    def do_step(self, order: TaskSpec) -> Completion:
        assert order.step is not None
        input_digests = "+".join(artifact.digest for artifact in order.inputs.values()).encode()
        if order.step.name == "split":
            return completion(
                order.fence, *(output("Table", self.blobs.put([part + input_digests])[0]) for part in (b"a", b"b"))
            )
        run_id = order.tracking["MLFLOW_RUN_ID"]
        model_id = self.store.write(lambda tx: logged_model(tx, self.blobs, b"model of " + input_digests, run_id))
        metrics = output("Metrics", self.blobs.put([b"{}"])[0], values={"accuracy": self.accuracy})
        return completion(order.fence, output("Model", "m" * 64, model_id=model_id), metrics)

    def do_judge(self, order: TaskSpec) -> Completion:
        assert order.judge is not None
        evidence = Evidence(row_count=100, metrics={"accuracy": self.accuracy}, champion_number=order.judge.champion)
        return completion(order.fence, result={"evidence": msgspec.to_builtins(evidence)})

    def do_harvest(self, order: TaskSpec) -> Completion:
        harvest = order.harvest
        assert harvest is not None
        since = harvest.since.labels_until if harvest.since else "the first"
        digest, size = self.blobs.put([f"rows since {since}".encode()])
        prepared = versions.prepare(self.blobs, [FileEntry("production/rows.txt", size, digest)])
        detail = Commit(ref=harvest.ref, turn=harvest.turn, draft=True)
        version = self.store.write(lambda tx: audits.commit(tx, harvest.dataset, prepared, detail))
        return completion(order.fence, result={"dataset_version": version.ref})

    # the gateway

    def observe(self) -> None:
        desired = self.store.read(deployments.desired)
        revisions = tuple(
            RevisionStatus(
                deployment=order.deployment,
                revision=order.revision,
                state="FAILED" if order.revision in self.down else "READY",
                reason=self.down.get(order.revision, ""),
            )
            for order in desired.orders
        )
        counts = tuple(
            VariantCounts(
                deployment=route.deployment, revision=variant.revision, rollout=route.rollout, stage=route.stage,
                requests=200, errors=round(200 * self.errors) if variant.revision != route.stable else 0, slow=0,
                replayed=0,
            )
            for route in desired.routes
            for variant in route.variants
        )  # fmt: skip
        self.store.write(
            lambda tx: deployments.observe(
                tx,
                Observed(
                    gateway="g", session="s", pid=1, generation=desired.generation, address="", revisions=revisions,
                    counts=counts,
                ),
            ),
            actor="gateway",
        )  # fmt: skip

    # what can be seen

    def turns(self) -> list[Any]:
        return self.store.read(nouns.TURNS.select)

    def loop(self) -> Loop:
        return self.store.read(lambda tx: nouns.LOOPS.get(tx, "churn"))

    def main(self) -> str:
        """Return the version that the loop's dataset has now."""
        return self.store.read(lambda tx: versions.resolve(tx, "customers@main")).ref

    def state_of(self, version: str) -> str:
        return self.store.read(lambda tx: versions.resolve(tx, version)).state

    def woken_late(self) -> list[str]:
        """Return the rows that no event has woken although they could move: the sweep found them."""
        return self.store.read(lambda tx: [event.id for event in self.events(tx) if event.verb == "woken_late"])

    def events(self, tx: Any) -> list[Any]:
        return bus.rows.after(tx, 0, limit=100_000)

    def is_over(self, number: int) -> bool:
        turns = self.turns()
        return len(turns) >= number and turns[number - 1].state in {*FINISHED, "REJECTED"}

    def two_turns(self) -> None:
        """Turn by hand; then an alert, and the turn that it begins."""
        self.first_turn()
        self.alarm()
        self.until(lambda: self.is_over(2))

    def first_turn(self) -> None:
        self.survive(self.set_up_once)
        self.survive(self.set_up_once)
        self.turn_by_hand()
        self.until(lambda: self.is_over(1))
        self.clock.advance(120)

    def set_up_once(self) -> None:
        with contextlib.suppress(Conflict):
            self.set_up()

    def state(self) -> dict[str, Any]:
        """Return all that must come out the same, however often the server died on the way."""

        def view(tx: Any) -> dict[str, Any]:
            deployment = nouns.DEPLOYMENTS.get(tx, "churn")
            turned, runs = nouns.TURNS.select(tx), nouns.PIPELINE_RUNS.select(tx)
            return {
                "turns": [
                    (turn.number, turn.state, turn.model_version, turn.rollout, turn.champion) for turn in turned
                ],
                "legs": [[(leg.name, leg.result) for leg in turn.legs if leg.name != "data"] for turn in turned],
                "runs": sorted((run.turn, run.state) for run in runs),
                "versions": [(version.number, version.turn) for version in nouns.VERSIONS.select(tx)],
                "rollouts": [
                    (rollout.number, rollout.state, rollout.candidate, len(rollout.steps))
                    for rollout in self.rollouts(tx)
                ],
                "serves": (deployment.stable, deployment.previous),
                "aliases": {name: alias_of(tx, "churn", name) for name in ("champion", "previous", "challenger")},
                "data": len(nouns.DATASET_VERSIONS.select(tx)),
                "requests": [request.state for request in nouns.REQUESTS.select(tx)],
                "alerts": len(nouns.ALERTS.select(tx)),
            }

        self.store.read(bus.verify)
        return self.store.read(view)

    def rollouts(self, tx: Any) -> list[Any]:
        return nouns.ROLLOUTS.select(tx)
