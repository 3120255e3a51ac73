"""Parameters that are set for one run: by name and type, and through the pipeline to its steps."""

from typing import Literal

import msgspec
import pytest

import helicline as hl
from helicline.errors import Invalid
from helicline.pipeline import cache, parameters
from helicline.records.pipeline import CodeState, Output, PipelineSpec
from support.records import ENVIRONMENT


@hl.step
def split(raw: hl.Table, *, seed: int = 0, by: str | None = None, shuffle: bool = True) -> hl.Table: ...


@hl.step
def train(
    data: hl.Table, *, lr: float = 0.1, kind: Literal["tree", "line"] = "tree", sizes: list[int] = (8,), extra=None
) -> hl.Model: ...


@hl.pipeline
def line(
    raw: hl.Table = hl.dataset("rows@main"), *, lr: float = 0.2, seed: int = 3, rounds: int = 10, shuffle: bool = False
):
    data = split(raw, seed=seed, shuffle=shuffle)
    train(data, lr=lr)
    for _ in range(rounds):
        train(data, lr=lr)


SPEC = line.spec(state=CodeState(bundle="0"), environment=ENVIRONMENT)


def params_of(spec, name):
    return next(step.params for step in spec.steps if step.name == name)


def test_a_parameter_of_the_pipeline_reaches_every_step_that_it_is_passed_to():
    spec, typed = parameters.overridden(SPEC, {"lr": "0.7", "shuffle": "true"})
    assert typed == {"lr": 0.7, "shuffle": True}
    assert {params_of(spec, name)["lr"] for name in ("train", "train_2", "train_11")} == {0.7}
    assert (params_of(spec, "split")["shuffle"], spec.params["lr"]) == (True, 0.7)


def test_what_is_set_of_a_step_holds_against_the_pipeline():
    spec, _ = parameters.overridden(SPEC, {"train_2.lr": 0.9, "lr": 0.7})
    assert (params_of(spec, "train")["lr"], params_of(spec, "train_2")["lr"]) == (0.7, 0.9)


def test_nothing_set_changes_nothing():
    assert parameters.overridden(SPEC, {}) == (SPEC, {})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("split.seed", "7", 7), ("split.by", "7", "7"), ("split.by", "null", None), ("split.shuffle", "False", False),
        ("train.lr", "1", 1.0), ("train.lr", 1, 1.0), ("train.kind", "line", "line"), ("train.sizes", "[1, 2]", [1, 2]),
        ("train.extra", '{"a": 1}', {"a": 1}), ("train.extra", "deep", "deep"), ("seed", "4", 4),
    ],
)  # fmt: skip
def test_a_text_becomes_a_value_of_the_annotated_type(name, text, value):
    assert parameters.overridden(SPEC, {name: text})[1] == {name: value}
    assert type(parameters.overridden(SPEC, {name: text})[1][name]) is type(value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("train.rate", "1", "allowed: one of lr, seed, shuffle, split.by"),
        ("rate", "1", "got 'rate', allowed: one of lr"),
        ("rounds", "3", "The body of the pipeline works with rounds"),
        ("train.lr", "fast", "parameter train.lr: got 'fast', allowed: a number."),
        ("train.lr", "true", "allowed: a number"),
        ("train.lr", "NaN", "allowed: a number"),
        ("split.seed", "1.5", "parameter split.seed: got 1.5, allowed: an integer."),
        ("split.seed", "null", "allowed: an integer"),
        ("split.shuffle", "1", "allowed: true or false"),
        ("split.by", 3, "allowed: text or null"),
        ("train.kind", "forest", "allowed: one of tree, line"),
        ("train.sizes", "3", "allowed: a list"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_name(name, value, words):
    with pytest.raises(Invalid) as error:
        parameters.overridden(SPEC, {name: value})
    assert words in str(error.value)


def test_a_parameter_is_part_of_the_keys_of_the_steps_that_it_reaches_alone():
    spec, _ = parameters.overridden(SPEC, {"train_2.lr": 0.9})
    inputs = {"data": Output(kind="Table", digest="d")}
    keys = [
        [cache.key_of(cache.key_parts(step, inputs, ENVIRONMENT)) for step in version.steps] for version in (SPEC, spec)
    ]
    changed = [step.name for step, old, new in zip(SPEC.steps, *keys, strict=True) if old != new]
    assert changed == ["train_2"]


def test_a_spec_reads_back():
    assert msgspec.json.decode(msgspec.json.encode(SPEC), type=PipelineSpec) == SPEC
