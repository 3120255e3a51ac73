"""The cost of a tick of the reconciler, and of the views of what exists, as turns, deployments and versions grow.

usage: python bench/ticks.py [--database postgresql] [--turns 100000] [--deployments 200] [--versions 5000]
    [--rounds 40]

Fills two databases in which nothing can move, a small one (10 turns, 2 deployments, 10 versions) and a large one: every
turn has ended, one in a hundred was rejected by its gate. Prints the CPU time and the SQL statements of a tick and of
each view in both, the ratio, and how long a run of 50 cached steps takes from its submission to its end.
"""

import argparse
import gc
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from helicline.loop.context import Context
from helicline.loop.overview import status
from helicline.loop.reconciler import Reconciler
from helicline.pipeline import attempts, runs
from helicline.protocol.rest import deployments as deployment_routes
from helicline.protocol.rest import loops as loop_routes
from helicline.protocol.rest import models as model_routes
from helicline.records.deployment import Deployment, Revision, Rollout, RolloutPlan, RolloutStep
from helicline.records.event import Event
from helicline.records.gate import Check, Evidence, GateReport, Verdict
from helicline.records.loop import Cause, Leg, Loop, LoopSpec, Trigger, TriggerSpec, Turn
from helicline.records.model import Alias, ModelVersion, RegisteredModel
from helicline.records.monitor import Monitor, MonitorSpec
from helicline.records.pipeline import (
    Attempt,
    CodeState,
    Completion,
    Environment,
    Output,
    PipelineRun,
    PipelineSpec,
    Source,
    StepSpec,
)
from helicline.serving import deployments
from helicline.settings import Settings
from helicline.store import nouns
from helicline.store.blobs import LocalBlobs
from helicline.store.database import Store
from helicline.store.migrations import upgrade
from helicline.store.noun import Noun
from helicline.store.unit import Reader

BATCH = 2000
CACHED_STEPS = 50
ENDINGS = ("PROMOTED", "ROLLED_BACK", "FAILED", "UNCHANGED", "CANCELLED")
REJECTED_EACH = 100  # one turn in so many was stopped by its gate
PLAN = RolloutPlan(steps=(RolloutStep(weight_bp=10_000),))
PIPELINE = PipelineSpec(
    name="p",
    steps=(StepSpec(name="train", function="steps:train", code_hash="c", inputs={}, outputs=("Model",)),),
    candidate=None,
    code=CodeState(bundle="0" * 64),
    environment=Environment(python="3.11", platform="linux", packages=(), hash="e"),
)
FAILED = Verdict(check=Check(kind="at_least", metric="auc", limit=0.8), outcome="fail", reason="0.79 is less than 0.8")
PASSED = Verdict(check=Check(kind="at_least", metric="auc", limit=0.8), outcome="pass", reason="0.81")
Sizes = tuple[int, int, int]  # turns, deployments, versions


def insert(store: Store, noun: Noun[Any], records: Iterable[Any]) -> None:
    """Insert many records, each as its noun stores it."""
    rest = iter(records)
    while part := list(islice(rest, BATCH)):
        store.write(lambda tx, part=part: noun.insert_new(tx, part))


class Fill:
    """The rows of a home whose turns have all ended: `number` counts the loops, one for each deployment."""

    def __init__(self, sizes: Sizes) -> None:
        self.turns, self.deployments, self.versions = sizes
        self.names = [f"m{number:03}" for number in range(self.deployments)]
        self.began = datetime.now(UTC) - timedelta(days=90)

    def write(self, store: Store) -> None:
        for noun, rows in (
            (nouns.MODELS, self.models()),
            (nouns.VERSIONS, self.model_versions()),
            (nouns.REPORTS, self.reports()),
            (nouns.ALIASES, self.aliases()),
            (nouns.DEPLOYMENTS, self.served()),
            (nouns.REVISIONS, self.revisions()),
            (nouns.ROLLOUTS, self.rollouts()),
            (nouns.LOOPS, self.loops()),
            (nouns.TRIGGERS, self.triggers()),
            (nouns.MONITORS, self.monitors()),
            (nouns.TURNS, self.ended_turns()),
            (nouns.PIPELINE_RUNS, self.pipeline_runs()),
            (nouns.ATTEMPTS, self.attempts()),
        ):
            insert(store, noun, rows)

    def per_deployment(self, total: int) -> int:
        return max(1, total // self.deployments)

    def numbered(self, total: int) -> Iterable[tuple[str, int, datetime]]:
        """Yield the name, the number and the time of `total` rows, divided among the deployments."""
        for name in self.names:
            for number in range(1, self.per_deployment(total) + 1):
                yield name, number, self.began + timedelta(minutes=number)

    def models(self) -> Iterable[RegisteredModel]:
        last = self.per_deployment(self.versions)
        for name in self.names:
            yield RegisteredModel(name=name, created_at=self.began, updated_at=self.began, last_version=last)

    def model_versions(self) -> Iterable[ModelVersion]:
        for name, number, at in self.numbered(self.versions):
            yield ModelVersion(
                model=name, number=number, source=f"models:/m-{name}-{number}", artifact_root="r", run_id="r",
                model_id=f"m-{name}-{number}", digest=f"{name}-{number}", created_at=at, updated_at=at, created_by="b",
            )  # fmt: skip

    def reports(self) -> Iterable[GateReport]:
        for name, number, at in self.numbered(self.versions):
            yield GateReport(
                model=name, number=number, digest=f"{name}-{number}", loop=name, turn=number, created_at=at,
                verdicts=(PASSED if number % 2 else FAILED,), evidence=Evidence(metrics={"auc": 0.8}),
            )  # fmt: skip

    def aliases(self) -> Iterable[Alias]:
        for name in self.names:
            yield Alias(model=name, alias="champion", number=1, updated_at=self.began)

    def served(self) -> Iterable[Deployment]:
        for name in self.names:
            yield Deployment(name=name, model=name, created_at=self.began, updated_at=self.began, stable=1)

    def revisions(self) -> Iterable[Revision]:
        for name, number, at in self.numbered(self.versions):
            yield Revision(
                deployment=name, number=number, model=name, model_version=number, digest=f"{name}-{number}",
                created_at=at, state="READY",
            )  # fmt: skip

    def rollouts(self) -> Iterable[Rollout]:
        for name, number, at in self.numbered(self.versions):
            yield Rollout(
                deployment=name, number=number, stable=1, candidate=number, plan=PLAN, state="SUCCEEDED", created_at=at,
                created_by="b", wake_at=None, finished_at=at,
            )  # fmt: skip

    def loops(self) -> Iterable[Loop]:
        triggers = tuple(trigger.spec for trigger in self.triggers_of("n"))
        for name in self.names:
            spec = LoopSpec(
                name=name, model=name, deployment=name, pipeline=PIPELINE, rollout=PLAN, gates=(FAILED.check,),
                triggers=triggers,
            )  # fmt: skip
            yield Loop(
                name=name, spec=spec, spec_hash="h", spec_version=1, created_at=self.began, updated_at=self.began,
                updated_by="b", last_turn=self.per_deployment(self.turns),
            )  # fmt: skip

    def triggers(self) -> Iterable[Trigger]:
        return (trigger for name in self.names for trigger in self.triggers_of(name))

    def triggers_of(self, name: str) -> tuple[Trigger, ...]:
        yearly = TriggerSpec(kind="schedule", cron="0 0 1 1 *")
        alert = TriggerSpec(kind="alert", monitors=("drift",))
        due = datetime.now(UTC) + timedelta(days=300)
        return (
            Trigger(loop=name, name=yearly.name, spec=yearly, wake_at=due),
            Trigger(loop=name, name=alert.name, spec=alert, wake_at=None),
        )

    def monitors(self) -> Iterable[Monitor]:
        spec, due = MonitorSpec(kind="drift", window_s=86_400.0), datetime.now(UTC) + timedelta(hours=23)
        for name in self.names:
            yield Monitor(deployment=name, name="drift", spec=spec, loop=name, created_at=self.began, wake_at=due)

    def ended_turns(self) -> Iterable[Turn]:
        cause = Cause(kind="schedule", subject="0 0 * * *", sentence="the schedule was due")
        versions = self.per_deployment(self.versions)
        for name, number, at in self.numbered(self.turns):
            state = "REJECTED" if number % REJECTED_EACH == 0 else ENDINGS[number % len(ENDINGS)]
            yield Turn(
                loop=name, number=number, state=state, cause=cause, created_at=at, created_by="b", wake_at=None,
                legs=(Leg(name="train", started_at=at, finished_at=at), Leg(name="gate", started_at=at)),
                pipeline_run=f"{name}-{number}", attempt=f"{name}-{number}", model_version=number % versions + 1,
                champion=1, finished_at=at,
            )  # fmt: skip

    def pipeline_runs(self) -> Iterable[PipelineRun]:
        for name, number, at in self.numbered(self.turns):
            yield PipelineRun(
                id=f"{name}-{number}", pipeline=name, spec=PIPELINE, state="SUCCEEDED", created_at=at, created_by="b",
                wake_at=None, loop=name, turn=number, finished_at=at, inputs={"customers@main": "customers@1"},
            )  # fmt: skip

    def attempts(self) -> Iterable[Attempt]:
        for name, number, at in self.numbered(self.turns):
            yield Attempt(
                id=f"{name}-{number}", task="judge", state="SUCCEEDED", created_at=at, loop=name, turn=number,
                finished_at=at,
            )  # fmt: skip


VIEWS: dict[str, Callable[[Reader], object]] = {
    "status": lambda tx: status.read(tx, version="bench"),
    "desired": deployments.desired,
    "/deployments": deployment_routes.details,
    "/models": model_routes.summaries,
    "/loops": loop_routes.details,
    "/monitors": lambda tx: loop_routes.monitor_details(tx, max_windows=60),
}


class Meter:
    """The CPU time of this process and the SQL statements of its database, for each call of an act."""

    def __init__(self, store: Store, rounds: int) -> None:
        self.rounds, self.statements = rounds, 0
        sa.event.listen(store.engine, "before_cursor_execute", self._count)

    def _count(self, *_: object) -> None:
        self.statements += 1

    def measure(self, act: Callable[[], object]) -> tuple[float, float]:
        """Return the median of the CPU milliseconds, and the statements of a call."""
        act()
        millis, before = [], self.statements
        for _ in range(self.rounds):
            began = time.process_time()
            act()
            millis.append((time.process_time() - began) * 1000)
        return statistics.median(millis), (self.statements - before) / self.rounds


class CachedRun:
    """A pipeline whose steps are all cached, and the time from its submission to its end."""

    def __init__(self, context: Context, step_count: int) -> None:
        self.store = context.store
        digest, _ = context.blobs.put([b"{}"])
        self.output = Output(kind="Metrics", digest=digest)
        first = StepSpec(name="s000", function="steps:s", code_hash="c", outputs=("Metrics",))
        later = [
            msgspec.structs.replace(first, name=f"s{at:03}", inputs={"i": Source(step=f"s{at - 1:03}")})
            for at in range(1, step_count)
        ]
        self.spec = msgspec.structs.replace(PIPELINE, name="cached", steps=(first, *later))
        self.ended, self.commits = threading.Event(), 0
        self.reconciler = Reconciler(context, holder="bench")
        self.store.listeners += [self.reconciler.wake, self._note]

    def _note(self, events: Sequence[Event]) -> None:
        self.commits += 1
        if any(event.noun == "pipeline_run" and event.verb == "ended" for event in events):
            self.ended.set()

    def fill_cache(self) -> None:
        """Run the pipeline once, and complete each step that it offers."""
        run = self.store.write(lambda tx: runs.submit(tx, self.spec))
        while not self.ended.is_set():
            self.reconciler.tick()
            for attempt in self.store.read(attempts.ready):
                leased = self.store.write(lambda tx, a=attempt: attempts.lease(tx, a, worker="b", lease_s=60.0))
                done = Completion(fence=leased.fence, ok=True, outputs=(self.output,))
                self.store.write(lambda tx, a=leased, d=done: runs.complete_step(tx, a, d))
        if (state := self.store.read(lambda tx: nouns.PIPELINE_RUNS.get(tx, run.id)).state) != "SUCCEEDED":
            raise RuntimeError(f"the pipeline run is {state}")

    def milliseconds(self, rounds: int) -> tuple[float, float]:
        """Return the median time from submission to end, and the commits with events of one run."""
        thread = threading.Thread(target=self.reconciler.run)
        thread.start()
        times, before = [], self.commits
        for _ in range(rounds):
            self.ended.clear()
            began = time.perf_counter()
            self.store.write(lambda tx: runs.submit(tx, self.spec))
            if not self.ended.wait(60):
                raise RuntimeError("the pipeline run did not end")
            times.append((time.perf_counter() - began) * 1000)
        self.reconciler.stop()
        thread.join()
        return statistics.median(times), (self.commits - before) / rounds


def cached_steps(folder: Path, step_count: int, *, rounds: int) -> tuple[float, float]:
    """Return what a run of cached steps takes on SQLite, and its commits."""
    store = Store(f"sqlite:///{folder / 'cached.db'}")
    try:
        upgrade(store)
        cached = CachedRun(Context(store, LocalBlobs(folder / "blobs"), Settings(home=str(folder))), step_count)
        cached.fill_cache()
        return cached.milliseconds(rounds)
    finally:
        store.close()


def measure(url: str, folder: Path, sizes: Sizes, *, rounds: int) -> dict[str, tuple[float, float]]:
    """Fill an empty database, and return the cost of a tick and of each view."""
    store = Store(url)
    try:
        upgrade(store)
        Fill(sizes).write(store)
        context = Context(store, LocalBlobs(folder / "blobs"), Settings(home=str(folder)))
        reconciler = Reconciler(context, holder="bench")
        meter = Meter(store, rounds)
        gc.collect()
        gc.freeze()  # as the server does: what filling left is no part of a tick
        reconciler.tick()  # the first one takes the lease, and checks what waits against the clock
        if moved := reconciler.tick():
            raise RuntimeError(f"{moved} rows moved where nothing can")
        tick = meter.measure(reconciler.tick)
        views = {name: meter.measure(lambda view=view: store.read(view)) for name, view in VIEWS.items()}
        return {"tick": tick, **views}
    finally:
        gc.unfreeze()
        store.close()


def show(costs: list[dict[str, tuple[float, float]]], sizes: list[Sizes]) -> None:
    heads = [f"{turns:,} turns, {served:,} dep., {versions:,} ver." for turns, served, versions in sizes]
    print(f"{'CPU ms (statements)':<22}{heads[0]:>34}{heads[1]:>40}{'ratio':>8}")
    for name, (small_ms, small_count) in costs[0].items():
        large_ms, large_count = costs[1][name]
        first, second = f"{small_ms:.2f} ({small_count:g})", f"{large_ms:.2f} ({large_count:g})"
        print(f"{name:<22}{first:>34}{second:>40}{large_ms / small_ms:>7.1f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    for name, default in (("turns", 100_000), ("deployments", 200), ("versions", 5000), ("rounds", 40)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    sizes = [(10, 2, 10), (options.turns, options.deployments, options.versions)]
    with tempfile.TemporaryDirectory(prefix="helicline-bench-") as name:
        from servers import databases  # its imports need a PostgreSQL beside the package

        folder = Path(name)
        with databases(options.database, folder) as urls:
            costs = [
                measure(url, folder / str(number), sizes[number], rounds=options.rounds)
                for number, url in enumerate(urls)
            ]
        millis, commits = cached_steps(folder, CACHED_STEPS, rounds=options.rounds)
    print(options.database)
    show(costs, sizes)
    print(f"{CACHED_STEPS} cached steps, from submission to end: {millis:.0f} ms, {commits:g} commits with events")


if __name__ == "__main__":
    main()
