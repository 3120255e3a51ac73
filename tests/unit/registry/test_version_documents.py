"""Cards, differences and lineage of versions, on both databases."""

from __future__ import annotations

import json

import pytest

from helicline import registry, tracking
from helicline.errors import Invalid, NotFound
from helicline.loop.context import Context
from helicline.loop.walk.card import read_card
from helicline.loop.walk.lineage import lineage
from helicline.records.model import Signature
from helicline.records.run import DatasetInput, MetricPoint
from helicline.registry.diff import signature_changes
from helicline.settings import Settings
from helicline.store.blobs import LocalBlobs
from helicline.store.database import Store

COLUMN = {"type": "double", "name": "x", "required": True}


def mlmodel(*columns: dict[str, object]) -> bytes:
    return f"signature:\n  inputs: '{json.dumps(columns)}'\n".encode()


@pytest.fixture
def context(store: Store, blobs: LocalBlobs, tmp_path) -> Context:
    """A model with two versions of one dataset: another learning rate, another input."""
    contents = [mlmodel(COLUMN), mlmodel(COLUMN | {"type": "long"}, COLUMN | {"name": "y"})]

    def unit(tx) -> None:
        registry.create_model(tx, "churn")
        for number, content in enumerate(contents, start=1):
            digest, size = blobs.put([content])
            run = tracking.create_run(tx, "0", name=f"train-{number}")
            tracking.log_inputs(tx, run.run_id, datasets=[DatasetInput(name="customers", digest="d1")])
            points = [MetricPoint(key="auc", value=number / 10, timestamp_ms=1)]
            tracking.log_batch(tx, run.run_id, metrics=points, params={"lr": str(number), "seed": "1"})
            tracking.put_artifact(tx, f"0/{run.run_id}/artifacts/model/MLmodel", hash=digest, size=size)
            registry.register(tx, "churn", source=f"runs:/{run.run_id}/model")

    store.write(unit)
    return Context(store, blobs, Settings(home=str(tmp_path)))


def test_two_versions_differ_in_what_callers_see_and_what_was_measured(context: Context):
    diff = context.store.read(lambda tx: registry.diff_versions(tx, context.blobs, "churn", before=1, after=2))
    assert [(change.name, change.before, change.after, change.breaks) for change in diff.signature] == [
        ("x", "double", "long", True), ("y", "", "double", True)
    ]  # fmt: skip
    assert [(change.path, change.change) for change in diff.files.changes] == [("MLmodel", "changed")]
    assert [(change.name, change.before, change.after) for change in diff.params] == [("lr", "1", "2")]
    assert [(change.before, change.after) for change in diff.metrics] == [(0.1, 0.2)]


def test_a_new_optional_input_breaks_nobody():
    before = Signature(inputs=(COLUMN,))
    after = Signature(inputs=(COLUMN, {"type": "string", "name": "z", "required": False}))
    assert [(change.after, change.breaks) for change in signature_changes(before, after)] == [
        ("string, optional", False)
    ]
    assert signature_changes(before, before) == []


def test_versions_without_a_signature_are_not_said_to_have_the_same(context: Context):
    def unit(tx) -> None:
        digest, size = context.blobs.put([b"not: [a model"])
        run = tracking.create_run(tx, "0")
        tracking.put_artifact(tx, f"0/{run.run_id}/artifacts/m/MLmodel", hash=digest, size=size)
        registry.register(tx, "churn", source=f"runs:/{run.run_id}/m")

    context.store.write(unit)
    diff = context.store.read(lambda tx: registry.diff_versions(tx, context.blobs, "churn", before=1, after=3))
    assert (diff.has_signatures, diff.signature) == (False, [])


def test_a_card_tells_what_was_recorded_and_asks_for_the_rest(context: Context):
    card = context.store.read(lambda tx: read_card(context, tx, "churn", 1))
    rows = {section.title: dict(section.rows) for section in card.sections}
    assert rows["Data"] == {"customers@d1": "as a client named it"}
    assert (rows["Metrics"]["auc"], rows["Training"]["Parameter lr"], rows["Interface"]["Input x"]) == (
        "0.1",
        "1",
        "double",
    )
    assert card.missing_count == len(card.fields) == 5
    assert "Nobody filled this in yet" in card.markdown


def test_what_people_write_is_kept_and_offered_to_the_next_version(context: Context):
    write = {"intended_use": "To rank customers.", "owner": "risk | team"}
    context.store.write(lambda tx: registry.edit_card(tx, "churn", 1, write))
    first = context.store.read(lambda tx: read_card(context, tx, "churn", 1))
    assert (first.missing_count, "To rank customers." in first.markdown) == (3, True)
    second = {field.name: field for field in context.store.read(lambda tx: read_card(context, tx, "churn", 2)).fields}
    assert (second["owner"].text, second["owner"].earlier, second["owner"].earlier_number) == ("", "risk | team", 1)
    context.store.write(lambda tx: registry.edit_card(tx, "churn", 1, {"owner": " "}))
    assert context.store.read(lambda tx: read_card(context, tx, "churn", 1)).missing_count == 4


@pytest.mark.parametrize("fields", [{"nope": "x"}, {"owner": "x" * 20_001}, {"owner": "a\0"}])
def test_a_card_holds_known_fields_of_a_bearable_length(context: Context, fields):
    with pytest.raises(Invalid):
        context.store.write(lambda tx: registry.edit_card(tx, "churn", 1, fields))


def names(graph, side: str) -> set[str]:
    return {f"{node.noun}:{node.title}" for node in graph.nodes if node.side == side}


def test_lineage_leads_from_data_to_versions_and_back(context: Context):
    graph = context.store.read(lambda tx: lineage(tx, "dataset_version", "customers@d1"))
    assert names(graph, "forward") == {"run:train-1", "run:train-2", "model_version:churn/1", "model_version:churn/2"}
    assert len(graph.edges) == 4
    graph = context.store.read(lambda tx: lineage(tx, "model_version", "churn/2"))
    assert names(graph, "back") == {"run:train-2", "dataset_version:customers@d1"}
    assert names(graph, "forward") == set()


@pytest.mark.parametrize(
    ("noun", "id", "error"),
    [
        ("nope", "x", Invalid), ("run", "x", NotFound), ("model_version", "churn", Invalid),
        ("model_version", "churn/9", NotFound), ("deployment", "x", NotFound), ("dataset_version", "x", NotFound),
    ],
)  # fmt: skip
def test_lineage_of_what_is_not_there_is_an_error(context: Context, noun: str, id: str, error):
    with pytest.raises(error):
        context.store.read(lambda tx: lineage(tx, noun, id))
