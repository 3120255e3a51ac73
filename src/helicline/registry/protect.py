"""Protected aliases: pointers that people move together, never one alone."""

from __future__ import annotations

import msgspec

from helicline import bus
from helicline.errors import Conflict, Invalid, NotFound, Refused
from helicline.records.access import ROLES
from helicline.records.model import Alias, ModelVersion, PromotionRequest, Protection, RegisteredModel
from helicline.registry import stage as stages
from helicline.registry.alias import alias_of, checked_alias, point
from helicline.registry.approvals import ask_for_alias, requests_of, void_requests
from helicline.registry.model import get_model, locked_model
from helicline.registry.version import current_digest, get_version
from helicline.store.nouns import MODELS
from helicline.store.unit import Reader, Tx

MOST_PEOPLE = 20
ELSEWHERE = "Bring another version to that stage first; other people must approve it."


def protected_by(request: PromotionRequest) -> Refused:
    """Return the error that tells a client of the request that stands in its way."""
    missing = request.people - sum(1 for approval in request.approvals if approval.decision == "approve")
    people = "one person" if missing == 1 else f"{missing} people"
    return Refused(
        "move the alias",
        f"{request.model}@{request.alias} is protected; promotion request {request.id} was opened",
        f"The alias moves by itself once {people} approved it: hl approve {request.id}",
    )


def point_or_ask(
    tx: Tx, model: str, alias: str, number: int, *, person: str = "", reason: str = ""
) -> Alias | PromotionRequest:
    """Return the alias, moved; or, where it is protected, the open request that people must approve first.

    A request is opened where there is none for this version as it is now. It must be committed before the caller is
    told, so this returns it instead of raising: raise `protected_by(request)` after the unit of work.
    """
    rule = protection_of(locked_model(tx, model), checked_alias(alias))
    version = get_version(tx, model, number)
    if rule is None or alias_of(tx, model, alias) == number:
        return point(tx, model, alias, number)
    return ask_for_alias(tx, version, rule, person=person.strip() or tx.actor, reason=reason)


def move_to_stage(
    tx: Tx, model: str, number: int, stage: str, *, archive_others: bool = False
) -> ModelVersion | PromotionRequest:
    """Return the version in its new stage; with `archive_others` those that stood there go to Archived.

    Where the stage's alias is protected and would then name this version, the answer is the open request that people
    must approve first, as with `point_or_ask`. Raises Refused where a protected alias would name another one, or none.
    """
    move = stages.checked_move(stage, archive_others=archive_others)
    registered = locked_model(tx, model)
    version = get_version(tx, model, number)
    broken_rule = None
    for alias, target in stages.shifts(tx, model, stages.changes(tx, version, move)).items():
        rule = protection_of(registered, alias)
        if rule is not None and target != number:
            raise Refused(f"move version {number} to {move.stage}", f"{model}@{alias} is protected", ELSEWHERE)
        broken_rule = broken_rule or rule
    if broken_rule is None:
        return stages.carry_out(tx, version, move)
    return ask_for_alias(tx, version, broken_rule, person=tx.actor, move=move)


def unmet(tx: Reader, version: ModelVersion, alias: str) -> Protection | None:
    """Return the protection that keeps the alias from naming the version as it is now; None where nothing does."""
    rule = protection_of(get_model(tx, version.model), alias)
    if rule is None or alias_of(tx, version.model, alias) == version.number:
        return None
    digest = current_digest(tx, version)
    consent = (
        request
        for request in requests_of(tx, version.model, number=version.number)
        if request.state == "APPROVED" and request.alias in ("", alias) and request.digest == digest
    )
    return None if any(agreed.role == rule.role and agreed.people >= rule.people for agreed in consent) else rule


def request_alias(
    tx: Tx, model: str, alias: str, number: int, *, person: str = "", reason: str = ""
) -> PromotionRequest:
    """Return the open request to let a protected alias name the version.

    Raises:
        Conflict: the alias is not protected, or names the version already.
    """
    rule = protection_of(locked_model(tx, model), checked_alias(alias))
    if rule is None:
        raise Conflict("alias", f"{model}@{alias}", "is not protected", "Point it: hl model point.")
    if alias_of(tx, model, alias) == number:
        raise Conflict("alias", f"{model}@{alias}", f"names version {number} already")
    request = point_or_ask(tx, model, alias, number, person=person, reason=reason)
    assert isinstance(request, PromotionRequest)
    return request


def protection_of(model: RegisteredModel, alias: str) -> Protection | None:
    return next((rule for rule in model.protected if rule.alias == alias), None)


def protect(tx: Tx, model: str, alias: str, *, role: str = "approver", people: int = 1) -> RegisteredModel:
    """Return the model with the alias protected; who is asked to approve must hold a role that may."""
    checked_alias(alias)
    if "approve" not in ROLES.get(role, frozenset()):
        may = ", ".join(sorted(name for name, rights in ROLES.items() if "approve" in rights))
        raise Invalid("role", role, f"a role that may approve: {may}")
    if not 1 <= people <= MOST_PEOPLE:
        raise Invalid("people", people, f"1 to {MOST_PEOPLE}")
    registered = locked_model(tx, model)
    rest = tuple(rule for rule in registered.protected if rule.alias != alias)
    rule = Protection(alias=alias, role=role, people=people, set_by=tx.actor)
    bus.emit(tx, "protected", "alias", f"{model}@{alias}", role=role, people=people)
    return MODELS.swap(tx, msgspec.structs.replace(registered, protected=(*rest, rule), updated_at=tx.now))


def unprotect(tx: Tx, model: str, alias: str) -> RegisteredModel:
    """Return the model with the alias free again. Raises NotFound where it was not protected."""
    registered = locked_model(tx, model)
    if protection_of(registered, alias) is None:
        raise NotFound("protected alias", f"{model}@{alias}")
    rest = tuple(rule for rule in registered.protected if rule.alias != alias)
    bus.emit(tx, "unprotected", "alias", f"{model}@{alias}")
    void_requests(tx, model, alias, "the alias is no longer protected")
    return MODELS.swap(tx, msgspec.structs.replace(registered, protected=rest, updated_at=tx.now))


def protections(tx: Reader, model: str) -> tuple[Protection, ...]:
    """Return the protected aliases of a model."""
    return get_model(tx, model).protected
