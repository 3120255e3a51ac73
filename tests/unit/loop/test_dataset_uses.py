"""Who uses a dataset: loops by what their file says, pipelines by their recent runs."""

import msgspec
import pytest

from helicline.errors import NotFound
from helicline.loop import loops
from helicline.loop.walk.dataset_uses import uses_of
from helicline.pipeline import runs
from helicline.records.contract import ContractSpec
from helicline.records.loop import TriggerSpec
from helicline.records.pipeline import Source
from support.records import commit, loop_spec, pipeline_spec, step_spec


def spec_that_reads(dataset):
    return pipeline_spec(msgspec.structs.replace(step_spec("load"), inputs={"rows": Source(dataset=dataset)}))


@pytest.fixture
def uses(store, blobs):
    for name in ("customers", "orders"):
        commit(store, blobs, b"x", name=name)
    return lambda name: store.read(lambda tx: uses_of(tx, name))


def test_a_loop_uses_what_it_reads_waits_for_and_holds_to_a_contract(store, uses):
    on_data, on_orders = TriggerSpec(kind="new_data"), TriggerSpec(kind="new_data", dataset="orders@main")
    contract = ContractSpec(dataset="orders")
    spec = loop_spec(pipeline=spec_that_reads("customers@main"), triggers=(on_data,), contracts=(contract,))
    store.write(lambda tx: loops.apply(tx, spec))
    (customers,), (orders,) = uses("customers").loops, uses("orders").loops
    assert customers.model == ""  # its pipeline makes none
    assert (customers.reads, customers.turns_on_new_data, customers.sets_contract) == (("customers@main",), True, False)
    assert (orders.reads, orders.turns_on_new_data, orders.sets_contract) == ((), False, True)
    store.write(lambda tx: loops.apply(tx, msgspec.structs.replace(spec, triggers=(on_orders,))))
    assert (uses("customers").loops[0].turns_on_new_data, uses("orders").loops[0].turns_on_new_data) == (False, True)


def test_a_pipeline_uses_the_version_that_its_newest_run_took_in(store, uses):
    for _ in range(2):
        run = store.write(lambda tx: runs.submit(tx, spec_that_reads("customers@main")))
    (use,) = uses("customers").pipelines
    assert (use.run_count, use.newest_version) == (2, run.inputs["customers@main"])
    assert use.newest_run == run.id
    assert uses("orders").pipelines == []


def test_of_an_unknown_dataset_nobody_is_told(uses):
    with pytest.raises(NotFound):
        uses("nothing")
