"""Stages keep aliases, and what protects the alias protects the stage."""

from __future__ import annotations

import pytest

from helicline import registry, tracking
from helicline.errors import Invalid, Refused
from helicline.records.model import PromotionRequest
from helicline.store.blobs import LocalBlobs
from helicline.store.database import Store


@pytest.fixture
def model(store: Store, blobs: LocalBlobs) -> Store:
    """A model with three versions."""

    def unit(tx) -> None:
        registry.create_model(tx, "churn")
        for content in (b"one", b"two", b"three"):
            digest, size = blobs.put([content])
            run = tracking.create_run(tx, "0")
            tracking.put_artifact(tx, f"0/{run.run_id}/artifacts/model/weights", hash=digest, size=size)
            registry.register(tx, "churn", source=f"runs:/{run.run_id}/model")

    store.write(unit)
    return store


def move(store: Store, number: int, stage: str, *, archive: bool = False, person: str = "ann"):
    return store.write(
        lambda tx: registry.move_to_stage(tx, "churn", number, stage, archive_others=archive), actor=person
    )


def protect(store: Store, alias: str = "production") -> None:
    store.write(lambda tx: registry.protect(tx, "churn", alias))


def approve(store: Store, request: PromotionRequest, person: str = "bob") -> PromotionRequest:
    return store.write(lambda tx: registry.decide_request(tx, request.id, person=person, role="approver", approve=True))


def standing(store: Store) -> tuple[list[str], dict[str, int]]:
    """Return the stage of each version, and the aliases."""
    return store.read(
        lambda tx: ([version.stage for version in registry.versions(tx, "churn")], registry.aliases(tx, "churn"))
    )


def test_the_alias_of_a_stage_names_its_newest_version(model: Store):
    move(model, 2, "Production")
    assert standing(model) == (["None", "Production", "None"], {"production": 2})
    move(model, 1, "production")
    assert standing(model)[1] == {"production": 2}
    move(model, 3, "Production", archive=True)
    assert standing(model) == (["Archived", "Archived", "Production"], {"production": 3})


def test_the_alias_follows_who_is_left_at_the_stage(model: Store):
    for number in (1, 2):
        move(model, number, "Staging")
    move(model, 2, "Production")
    assert standing(model)[1] == {"staging": 1, "production": 2}
    move(model, 1, "None")
    assert standing(model)[1] == {"production": 2}
    move(model, 1, "Production")
    model.write(lambda tx: registry.delete_version(tx, "churn", 2))
    assert standing(model)[1] == {"production": 1}


def test_a_protected_stage_is_reached_only_by_approval(model: Store):
    move(model, 1, "Production")
    protect(model)
    request = move(model, 2, "Production", archive=True)
    assert isinstance(request, PromotionRequest)
    assert move(model, 2, "Production", archive=True).id == request.id
    assert standing(model) == (["Production", "None", "None"], {"production": 1})
    with pytest.raises(Refused, match="four eyes"):
        approve(model, request, "ann")
    approve(model, request)
    assert standing(model) == (["Archived", "Production", "None"], {"production": 2})


def test_a_request_for_the_alias_alone_is_another_one(model: Store):
    protect(model)
    moved = move(model, 2, "Production")
    pointed = model.write(lambda tx: registry.request_alias(tx, "churn", "production", 2, person="ann"))
    assert moved.id != pointed.id
    approve(model, pointed)
    assert standing(model) == (["None", "None", "None"], {"production": 2})


@pytest.mark.parametrize("stage", ["Archived", "None", "Staging"])
def test_what_a_protected_alias_names_does_not_leave_its_stage(model: Store, stage: str):
    move(model, 1, "Production")
    move(model, 2, "Production")
    protect(model)
    with pytest.raises(Refused, match="production is protected"):
        move(model, 2, stage)
    move(model, 1, stage)  # which it does not name
    assert standing(model)[1]["production"] == 2


def test_deleting_a_version_moves_no_protected_alias(model: Store):
    for number in (1, 2):
        move(model, number, "Production")
    model.write(lambda tx: registry.point(tx, "churn", "production", 3))
    protect(model)
    model.write(lambda tx: registry.delete_version(tx, "churn", 2))
    assert standing(model)[1] == {"production": 3}


def test_an_approved_move_leaves_other_protected_aliases_alone(model: Store):
    move(model, 1, "Staging")
    protect(model, "staging")
    protect(model)
    with pytest.raises(Refused, match="staging is protected"):
        move(model, 1, "Production")
    request = move(model, 2, "Production")
    approve(model, request)
    assert standing(model) == (["Staging", "Production", "None"], {"staging": 1, "production": 2})


@pytest.mark.parametrize(("stage", "archive"), [("nope", False), ("Archived", True), ("None", True)])
def test_moves_that_cannot_be_are_refused(model: Store, stage: str, archive: bool):
    with pytest.raises(Invalid):
        move(model, 1, stage, archive=archive)
