"""Pipeline runs with a worker that is played, on both databases."""

import pytest

from helicline.errors import Conflict, Invalid, NotFound
from helicline.pipeline import attempts, runs
from helicline.pipeline.decide import LOST_BUDGET
from helicline.records.pipeline import Completion, Source
from helicline.store import nouns
from helicline.store.noun import Stale
from helicline.store.rows import event
from helicline.tracking import get_run, search_runs
from support.records import commit, completion, output, pipeline_spec, step_spec

LEASE_S = 15.0


class Bench:
    """A store, its blobs, and a worker that does as it is told."""

    def __init__(self, store, blobs, clock):
        self.store, self.blobs, self.clock = store, blobs, clock

    def submit(self, *steps, **how):
        return self.store.write(lambda tx: runs.submit(tx, pipeline_spec(*steps), **how)).id

    def run(self, run_id):
        return self.store.read(lambda tx: nouns.PIPELINE_RUNS.get(tx, run_id))

    def step(self, run_id, name):
        return self.store.read(lambda tx: nouns.STEP_RUNS.get(tx, run_id, name))

    def settle(self, run_id):
        """Make moves until workers have it; return the run."""
        while self.store.write(lambda tx: runs.advance(tx, self.blobs, nouns.PIPELINE_RUNS.get(tx, run_id))):
            if self.run(run_id).state not in runs.OPEN_STATES:
                break
        return self.run(run_id)

    def take(self, worker="w"):
        waiting = self.store.read(attempts.ready)[0]
        return self.store.write(lambda tx: attempts.lease(tx, waiting, worker=worker, lease_s=LEASE_S))

    def complete(self, attempt, completion):
        def unit(tx):
            runs.complete_step(tx, attempts.leased(tx, attempt.id, completion.fence), completion)

        self.store.write(unit)

    def metrics(self, **values):
        digest, _ = self.blobs.put([repr(values).encode()])
        return output("Metrics", digest, values=values)

    def play(self, run_id):
        """Run to the end with steps that succeed; return the names in order."""
        ran = []
        while self.settle(run_id).state in runs.OPEN_STATES:
            attempt = self.take()
            ran.append(attempt.step)
            self.complete(attempt, completion(attempt.fence, self.metrics(at=len(ran))))
        return ran


@pytest.fixture
def bench(timed, blobs, clock):
    return Bench(timed, blobs, clock)


CHAIN = (step_spec("a"), step_spec("b", "a"), step_spec("c", "a", "b"))


def test_a_run_goes_through_to_its_end(bench):
    run_id = bench.submit(*CHAIN)
    assert bench.play(run_id) == ["a", "b", "c"]
    run = bench.run(run_id)
    assert (run.state, run.wake_at) == ("SUCCEEDED", None)
    assert bench.store.read(lambda tx: get_run(tx, run.run_id)).status == "FINISHED"


def test_metrics_that_a_step_returns_are_logged_to_its_run(bench):
    values = {"recall@10": 0.5, "val/f1.macro:all": 0.4, "log loss": 0.1}
    run_id = bench.submit(step_spec("a"))
    bench.settle(run_id)
    attempt = bench.take()
    bench.complete(attempt, completion(attempt.fence, bench.metrics(**values)))
    logged = bench.store.read(lambda tx: get_run(tx, bench.step(run_id, "a").run_id))
    assert {point.key: point.value for point in logged.metrics} == values
    assert logged.status == "FINISHED"
    by_metric = "metrics.`recall@10` >= 0.5"
    matching, _ = bench.store.read(lambda tx: search_runs(tx, [logged.experiment_id], filter=by_metric))
    assert [run.run_id for run in matching] == [logged.run_id]


def test_the_same_run_again_is_cached_and_leases_nothing(bench):
    first = bench.submit(*CHAIN)
    bench.play(first)
    second = bench.submit(*CHAIN)
    assert bench.play(second) == []
    assert bench.step(second, "c").cached_from == first
    assert bench.step(second, "c").outputs == bench.step(first, "c").outputs


def test_an_edit_of_one_step_runs_it_and_what_follows_it(bench):
    bench.play(bench.submit(*CHAIN))
    edited = (step_spec("a"), step_spec("b", "a", code_hash="edited"), step_spec("c", "a", "b"))
    second = bench.submit(*edited)
    assert bench.play(second)[0] == "b"
    assert bench.step(second, "a").state == "CACHED"
    assert bench.step(second, "b").miss_reason.startswith("changed: code")


def test_without_the_cache_everything_runs(bench):
    bench.play(bench.submit(*CHAIN))
    assert len(bench.play(bench.submit(*CHAIN, use_cache=False))) == 3


def test_a_cached_result_whose_bytes_are_gone_runs_again(bench):
    bench.play(bench.submit(step_spec("a")))
    for path in bench.blobs.folder.glob("??/*"):
        path.unlink()
    second = bench.submit(step_spec("a"))
    assert bench.play(second) == ["a"]
    assert bench.step(second, "a").miss_reason == "its kept outputs are gone"


def test_a_dataset_is_pinned_when_the_run_starts(bench):
    first = commit(bench.store, bench.blobs, b"a")
    reads = step_spec("a", inputs={"raw": Source(dataset="customers@main")})
    run_id = bench.submit(reads)
    commit(bench.store, bench.blobs, b"b")
    assert bench.run(run_id).inputs == {"customers@main": first.ref}
    assert bench.play(run_id) == ["a"]
    assert bench.step(run_id, "a").key_parts["input raw"] == first.root_hash


def test_a_pipeline_that_reads_what_is_not_there_does_not_start(bench):
    with pytest.raises(NotFound, match="customers"):
        bench.submit(step_spec("a", inputs={"raw": Source(dataset="customers@main")}))


def test_a_failed_step_ends_the_run_with_its_reason(bench):
    run_id = bench.submit(*CHAIN)
    bench.settle(run_id)
    attempt = bench.take()
    bench.complete(attempt, Completion(fence=attempt.fence, ok=False, error="ValueError: no rows"))
    run = bench.settle(run_id)
    error = f"step a: ValueError: no rows; its output: hl pipeline logs {run_id} a"
    assert (run.state, run.error) == ("FAILED", error)
    assert bench.step(run_id, "c").state == "UPSTREAM_FAILED"


def test_a_retry_waits_for_its_time_and_then_succeeds(bench):
    run_id = bench.submit(step_spec("a", retries=1))
    bench.settle(run_id)
    attempt = bench.take()
    bench.complete(attempt, Completion(fence=attempt.fence, ok=False, error="once"))
    bench.settle(run_id)
    assert bench.store.read(attempts.ready) == []
    bench.clock.advance(1)
    assert bench.play(run_id) == ["a"]
    assert bench.step(run_id, "a").attempt_count == 2


def test_a_lease_goes_to_one_worker(bench):
    bench.settle(bench.submit(step_spec("a")))
    waiting = bench.store.read(attempts.ready)[0]
    bench.take("fast")
    with pytest.raises(Stale):
        bench.store.write(lambda tx: attempts.lease(tx, waiting, worker="slow", lease_s=LEASE_S))


def test_a_stale_fence_completes_nothing(bench):
    run_id = bench.submit(step_spec("a"))
    bench.settle(run_id)
    first = bench.take("one")
    bench.clock.advance(LEASE_S + 1)
    assert len(bench.store.write(attempts.lose_expired)) == 1
    with pytest.raises(Conflict, match="is LOST under fence 1"):
        bench.complete(first, completion(first.fence, bench.metrics(x=1)))
    assert bench.step(run_id, "a").state == "RUNNING"


def test_a_heartbeat_keeps_a_lease_and_carries_the_wish_to_stop(bench):
    run_id = bench.submit(step_spec("a"))
    bench.settle(run_id)
    leased = bench.take()
    bench.clock.advance(LEASE_S - 1)
    assert bench.store.write(lambda tx: attempts.heartbeat(tx, leased.id, fence=1, lease_s=LEASE_S)) is False
    bench.clock.advance(LEASE_S - 1)
    assert bench.store.write(attempts.lose_expired) == []
    bench.store.write(lambda tx: runs.cancel(tx, run_id))
    bench.settle(run_id)
    assert bench.store.write(lambda tx: attempts.heartbeat(tx, leased.id, fence=1, lease_s=LEASE_S)) is True


def test_a_step_whose_workers_vanish_is_given_up_after_its_budget(bench):
    run_id = bench.submit(step_spec("a"))
    lost = 0
    while bench.settle(run_id).state in runs.OPEN_STATES:
        bench.take(f"w{lost}")
        bench.clock.advance(LEASE_S + 1)
        lost += len(bench.store.write(attempts.lose_expired))
    assert lost == LOST_BUDGET + 1
    assert "was lost 4 times" in bench.run(run_id).error


def test_outputs_that_the_step_does_not_declare_are_refused_and_the_lease_stays(bench):
    run_id = bench.submit(step_spec("a"))
    bench.settle(run_id)
    attempt = bench.take()
    with pytest.raises(Invalid, match="what step a declares: Metrics"):
        bench.complete(attempt, completion(attempt.fence, output("Table")))
    assert bench.store.read(lambda tx: attempts.leased(tx, attempt.id, attempt.fence)).state == "LEASED"


def test_cancelling_ends_a_run_whose_step_nobody_took(bench):
    run_id = bench.submit(*CHAIN)
    bench.settle(run_id)
    bench.store.write(lambda tx: runs.cancel(tx, run_id))
    assert bench.settle(run_id).state == "CANCELLED"
    assert bench.store.read(attempts.ready) == []
    with pytest.raises(Conflict, match="CANCELLED already"):
        bench.store.write(lambda tx: runs.cancel(tx, run_id))


def test_cancelling_waits_for_the_worker_that_has_a_step(bench):
    run_id = bench.submit(step_spec("a"))
    bench.settle(run_id)
    attempt = bench.take()
    bench.store.write(lambda tx: runs.cancel(tx, run_id))
    assert bench.settle(run_id).state == "CANCELLING"
    bench.complete(attempt, Completion(fence=attempt.fence, ok=False, cancelled=True, error="it was cancelled"))
    assert bench.settle(run_id).state == "CANCELLED"


def test_a_step_that_finishes_while_its_run_is_cancelled_does_not_revive_it(bench):
    run_id = bench.submit(*CHAIN)
    bench.settle(run_id)
    attempt = bench.take()
    bench.store.write(lambda tx: runs.cancel(tx, run_id))
    bench.complete(attempt, completion(attempt.fence, bench.metrics(x=1)))
    assert bench.settle(run_id).state == "CANCELLED"
    assert bench.step(run_id, "a").state == "SUCCEEDED"


def test_all_cached_steps_of_a_run_pass_in_one_transaction_in_their_order(bench):
    steps = [step_spec("s00"), *(step_spec(f"s{at:02}", f"s{at - 1:02}") for at in range(1, 50))]
    bench.play(bench.submit(*steps))
    again = bench.submit(*steps)
    seq = bench.store.read(event.head)[0]
    assert bench.store.write(lambda tx: runs.advance(tx, bench.blobs, nouns.PIPELINE_RUNS.get(tx, again)))
    assert bench.run(again).state == "SUCCEEDED"
    happened = [row for row in bench.store.read(lambda tx: event.after(tx, seq)) if row.noun != "run"]
    assert [(row.verb, row.id) for row in happened] == [
        *(("cached", f"{again}/{step.name}") for step in steps),
        ("ended", again),
    ]
    assert not bench.store.write(lambda tx: runs.advance(tx, bench.blobs, nouns.PIPELINE_RUNS.get(tx, again)))


def test_steps_that_need_nothing_of_each_other_are_offered_together(bench):
    run_id = bench.submit(step_spec("a"), step_spec("b"), step_spec("c", "a"))
    bench.store.write(lambda tx: runs.advance(tx, bench.blobs, nouns.PIPELINE_RUNS.get(tx, run_id)))
    assert [attempt.step for attempt in bench.store.read(attempts.ready)] in (["a", "b"], ["b", "a"])
