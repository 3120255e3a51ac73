"""Harvests and contracts: a turn learns from harvested rows only when they keep the contract of the dataset."""

import msgspec
import pytest

import helicline as hl
from helicline.data import contracts, versions
from helicline.records.contract import CheckResult
from helicline.store.rows import event
from support.simulated_loop import SimulatedLoop, completion


class CheckedLoop(SimulatedLoop):
    """A loop whose dataset has a contract; `outcome` is what its checks give."""

    outcome = "pass"

    def do_check(self, order):
        result = CheckResult(check="rows", outcome=self.outcome, detail="2 rows")
        return completion(order.fence, result={"results": msgspec.to_builtins([result])})

    def version(self, ref):
        return self.store.read(lambda tx: versions.resolve(tx, ref))

    def head(self):
        return self.store.read(lambda tx: versions.head_of(tx, "customers", "main")).ref


@pytest.fixture
def world(database_url, tmp_path, blobs):
    simulated = CheckedLoop(database_url, tmp_path, blobs)
    simulated.set_up()
    simulated.turn_by_hand()
    simulated.until(lambda: simulated.turns()[0].state == "PROMOTED")
    simulated.store.write(lambda tx: contracts.set_contract(tx, hl.contract("customers", rows=(1, None))))
    simulated.add_monitor()
    yield simulated
    assert simulated.woken_late() == simulated.lost_wake_ups
    simulated.store.close()


def test_a_harvest_that_keeps_the_contract_is_learned_from_and_becomes_main_with_its_turn(world):
    world.alarm()
    world.until(lambda: len(world.turns()) > 1 and world.turns()[1].state == "PROMOTED")
    harvested = world.version(world.turns()[1].dataset_version)
    assert (harvested.audit.state, harvested.state, world.head()) == ("passed", "published", harvested.ref)


def test_a_harvest_that_breaks_the_contract_is_quarantined_and_its_turn_learns_nothing(world):
    before = world.head()
    world.outcome = "fail"
    world.alarm()
    world.until(lambda: len(world.turns()) > 1 and world.turns()[1].state == "FAILED")
    failed = world.turns()[1]
    assert "do not keep the contract" in failed.result
    assert failed.pipeline_run == ""
    newest = world.store.read(lambda tx: versions.versions(tx, "customers"))[0]
    assert (newest.turn, newest.state, world.head()) == (failed.id, "quarantined", before)


def test_a_contract_that_is_set_after_the_rows_were_harvested_keeps_main_where_it_is(world):
    world.store.write(lambda tx: contracts.remove(tx, "customers"))
    before = world.head()
    world.alarm()
    world.until(lambda: len(world.turns()) > 1 and world.turns()[1].pipeline_run != "")
    world.store.write(lambda tx: contracts.set_contract(tx, hl.contract("customers", rows=(1, None))))
    world.until(lambda: world.turns()[1].state == "PROMOTED")
    assert world.head() == before
    events = world.store.read(lambda tx: event.after(tx, 0))
    (reason,) = [recorded.detail["why"] for recorded in events if recorded.verb == "not_published"]
    assert "not checked by the contract" in reason
