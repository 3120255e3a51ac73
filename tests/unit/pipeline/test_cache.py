"""Cache keys: what changes them, and how a miss is explained."""

import msgspec
import pytest

from helicline.pipeline.cache import key_of, key_parts, why_rerun
from helicline.records.pipeline import CacheEntry, StepEnvironment
from support.records import ENVIRONMENT, NOW, output, step_spec

STEP = step_spec("train", params={"lr": 0.1, "seed": 0})
INPUTS = {"data": output("Table", "a" * 64)}


def parts(step=STEP, inputs=INPUTS, environment=ENVIRONMENT):
    return key_parts(step, inputs, environment)


def entry(of):
    return CacheEntry(key=key_of(of), step="p.train", outputs=(), key_parts=of, pipeline_run="r", created_at=NOW)


CHANGED = {
    "code": parts(msgspec.structs.replace(STEP, code_hash="other")),
    "function": parts(msgspec.structs.replace(STEP, function="steps:other")),
    "param lr": parts(msgspec.structs.replace(STEP, params={"lr": 0.2, "seed": 0})),
    "param depth (new)": parts(msgspec.structs.replace(STEP, params={"lr": 0.1, "seed": 0, "depth": 3})),
    "param seed (gone)": parts(msgspec.structs.replace(STEP, params={"lr": 0.1})),
    "input data": parts(inputs={"data": output("Table", "b" * 64)}),
    "environment": parts(environment=msgspec.structs.replace(ENVIRONMENT, hash="other")),
}
OWN = StepEnvironment(name="requirements.txt", python="3.11", requirements=("humanize==4.9.0",), hash="1")


@pytest.mark.parametrize("component", CHANGED)
def test_each_component_changes_the_key_and_is_named(component):
    assert key_of(CHANGED[component]) != key_of(parts())
    assert why_rerun(CHANGED[component], entry(parts())).startswith(f"changed: {component}")


@pytest.mark.parametrize("name", ["retries", "timeout_s", "cpu", "memory_bytes", "name"])
def test_what_does_not_change_the_result_does_not_change_the_key(name):
    other = msgspec.structs.replace(STEP, **{name: "other" if name == "name" else 7})
    assert key_of(parts(other)) == key_of(parts())


def test_a_step_with_its_own_environment_does_not_depend_on_that_of_the_worker():
    own = msgspec.structs.replace(STEP, env=OWN)
    other = msgspec.structs.replace(STEP, env=msgspec.structs.replace(OWN, hash="2"))
    worker = msgspec.structs.replace(ENVIRONMENT, hash="other")
    assert key_of(parts(own, environment=worker)) == key_of(parts(own))
    assert key_of(parts(other)) != key_of(parts(own)) != key_of(parts())


def test_a_first_run_and_lost_outputs_are_told_apart():
    assert why_rerun(parts(), None) == "never ran before"
    assert why_rerun(parts(), entry(parts())) == "its kept outputs are gone"


def test_the_order_of_parameters_does_not_matter():
    turned = msgspec.structs.replace(STEP, params={"seed": 0, "lr": 0.1})
    assert key_of(parts(turned)) == key_of(parts())


def test_a_number_and_its_text_are_two_parameters():
    assert key_of(parts(step_spec("a", params={"x": "1"}))) != key_of(parts(step_spec("a", params={"x": 1})))
