"""Protected aliases move only with other people's consent, and only to the bytes they saw."""

from __future__ import annotations

import pytest

from helicline import registry, tracking
from helicline.errors import Conflict, Invalid, NotFound, Refused
from helicline.records.model import Alias, PromotionRequest
from helicline.store.blobs import LocalBlobs
from helicline.store.database import Store
from helicline.store.rows import event


@pytest.fixture
def model(store: Store, blobs: LocalBlobs) -> Store:
    """A model with two versions whose files lie apart; `champion` names the first, and is protected."""

    def unit(tx) -> None:
        registry.create_model(tx, "churn")
        for content in (b"one", b"two"):
            digest, size = blobs.put([content])
            run = tracking.create_run(tx, "0")
            tracking.put_artifact(tx, f"0/{run.run_id}/artifacts/model/weights", hash=digest, size=size)
            registry.register(tx, "churn", source=f"runs:/{run.run_id}/model")
        registry.point(tx, "churn", "champion", 1)
        registry.protect(tx, "churn", "champion", people=2)

    store.write(unit)
    return store


def ask(store: Store, number: int = 2, alias: str = "champion", person: str = "ann") -> Alias | PromotionRequest:
    return store.write(lambda tx: registry.point_or_ask(tx, "churn", alias, number, person=person))


def decide(store: Store, request_id: str, person: str, *, approve: bool = True, role: str = "approver"):
    return store.write(lambda tx: registry.decide_request(tx, request_id, person=person, role=role, approve=approve))


def champion(store: Store) -> int | None:
    return store.read(lambda tx: registry.alias_of(tx, "churn", "champion"))


def change_files(store: Store, number: int) -> None:
    root = store.read(lambda tx: registry.get_version(tx, "churn", number)).artifact_root
    store.write(lambda tx: tracking.put_artifact(tx, f"{root}/weights", hash="0" * 64, size=1))


def test_a_free_alias_is_moved_at_once(model: Store):
    assert ask(model, alias="challenger").number == 2


def test_a_protected_alias_opens_one_request_however_often_it_is_asked(model: Store):
    first, again = ask(model), ask(model, person="eve")
    assert isinstance(first, PromotionRequest)
    assert first.id == again.id
    assert champion(model) == 1
    assert ask(model, number=1).number == 1


def test_enough_approvals_move_the_alias(model: Store):
    request = ask(model)
    assert decide(model, request.id, "bob").state == "OPEN"
    assert champion(model) == 1
    assert decide(model, request.id, "cyd").state == "APPROVED"
    assert champion(model) == 2


def test_who_asks_for_an_open_request_too_cannot_approve_it_either(model: Store):
    request = ask(model, person="local")
    again = model.write(
        lambda tx: registry.request_alias(tx, "churn", "champion", 2, person="ann", reason="two points better")
    )
    assert (again.id, again.also_asked, again.reason) == (request.id, ("ann",), "two points better")
    with pytest.raises(Refused, match="ann asked for it"):
        decide(model, request.id, "ann")
    decide(model, request.id, "bob")
    assert ask(model, person="bob").also_asked == ("ann",)  # who approved already did so with open eyes
    assert decide(model, request.id, "cyd").state == "APPROVED"


def test_lifting_a_protection_ends_what_was_asked(model: Store):
    request = ask(model)
    model.write(lambda tx: registry.unprotect(tx, "churn", "champion"))
    (stored,) = model.read(lambda tx: registry.requests_of(tx, "churn"))
    assert (stored.id, stored.state) == (request.id, "VOID")


def test_who_asked_cannot_approve_and_nobody_counts_twice(model: Store):
    request = ask(model)
    with pytest.raises(Refused, match="four eyes"):
        decide(model, request.id, "ann")
    decide(model, request.id, "bob")
    with pytest.raises(Conflict, match="decision of bob"):
        decide(model, request.id, "bob")
    with pytest.raises(Refused, match="operator"):
        decide(model, request.id, "cyd", role="operator")
    assert champion(model) == 1


def test_one_rejection_ends_a_request_and_another_can_be_asked(model: Store):
    request = ask(model)
    assert decide(model, request.id, "bob", approve=False).state == "REJECTED"
    assert ask(model).id != request.id


def test_changed_files_void_a_request_and_its_approvals(model: Store):
    request = ask(model)
    decide(model, request.id, "bob")
    change_files(model, 2)
    assert decide(model, request.id, "cyd").state == "VOID"
    assert champion(model) == 1
    fresh = ask(model)
    assert (fresh.approvals, fresh.id != request.id, fresh.digest != request.digest) == ((), True, True)


def test_asking_again_after_a_change_leaves_no_old_request_open(model: Store):
    old = ask(model)
    change_files(model, 2)
    ask(model)
    states = {request.id: request.state for request in model.read(lambda tx: registry.requests_of(tx, "churn"))}
    assert sorted(states.values()) == ["OPEN", "VOID"]
    assert states[old.id] == "VOID"


def test_a_request_of_a_turn_is_bound_to_the_bytes_that_were_judged(model: Store):
    def unit(tx) -> PromotionRequest:
        version = registry.get_version(tx, "churn", 2)
        return registry.open_request(tx, version, role="risk", people=1, requested_by="loop", turn=("churn", 1))

    request = model.write(unit)
    change_files(model, 2)
    assert decide(model, request.id, "bob", role="risk").state == "VOID"


@pytest.mark.parametrize("verb", ["unpoint", "delete_version", "delete_model", "rename_model"])
def test_no_other_way_leads_round_the_protection(model: Store, verb: str):
    more = {"unpoint": ("champion",), "delete_version": (1,), "rename_model": ("other",)}.get(verb, ())
    with pytest.raises(Refused, match="champion is protected"):
        model.write(lambda tx: getattr(registry, verb)(tx, "churn", *more))
    assert champion(model) == 1


def test_a_lifted_protection_frees_the_alias(model: Store):
    model.write(lambda tx: registry.unprotect(tx, "churn", "champion"))
    assert ask(model).number == 2
    with pytest.raises(NotFound):
        model.write(lambda tx: registry.unprotect(tx, "churn", "champion"))


def test_every_step_stands_in_the_audit_trail(model: Store):
    request = ask(model)
    decide(model, request.id, "bob")
    decide(model, request.id, "cyd")
    entries = model.read(lambda tx: event.latest(tx, noun="promotion_request"))
    assert [entry.verb for entry in entries] == ["approved", "approved", "opened"]
    assert [entry.verb for entry in model.read(lambda tx: event.latest(tx, noun="alias"))] == [
        "pointed", "protected", "pointed"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "rule",
    [{"role": "viewer"}, {"role": "nobody"}, {"people": 0}, {"people": 99}, {"alias": "latest"}, {"alias": "a/b"}],
)
def test_a_protection_that_makes_no_sense_is_refused(model: Store, rule):
    body = {"alias": "champion"} | rule
    with pytest.raises(Invalid):
        model.write(lambda tx: registry.protect(tx, "churn", **body))


def test_asking_for_what_needs_no_consent_says_so(model: Store):
    for alias, number, why in (("challenger", 2, "not protected"), ("champion", 1, "already")):
        with pytest.raises(Conflict, match=why):
            model.write(lambda tx, a=alias, n=number: registry.request_alias(tx, "churn", a, n))


def test_the_error_names_the_request_and_the_next_step(model: Store):
    request = ask(model)
    error = registry.protected_by(request)
    assert request.id in error.sentence
    assert f"2 people approved it: hl approve {request.id}" in error.hint
