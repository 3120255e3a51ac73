"""Protected aliases: an alias that moves only when other people approve."""

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

MAX_PEOPLE = 20
STAGE_HINT = "Bring another version to that stage first; other people must approve it."


def protected_by(request: PromotionRequest) -> Refused:
    """Return the error for a client whose change needs the approval of this request."""
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
    """Return the moved alias or, where it is protected, the open request that people must approve first.

    Opens a request where there is none for this version as it is now. The request must be committed, so this function
    returns it instead of raising; raise `protected_by(request)` after the unit of work.
    """
    rule = protection_of(locked_model(tx, model), checked_alias(alias))
    version = get_version(tx, model, number)
    if rule is None or alias_of(tx, model, alias) == number:
        return point(tx, model, alias, number)
    return ask_for_alias(tx, version, rule, person=person.strip() or tx.actor, reason=reason)


def move_to_stage(
    tx: Tx, model: str, number: int, stage: str, *, archive_others: bool = False
) -> ModelVersion | PromotionRequest:
    """Return the version in its new stage; with `archive_others` other versions in that stage become Archived.

    Where the alias of the stage is protected and would point to this version, returns the open request that people must
    approve first, as `point_or_ask` does. Raises Refused where a protected alias would point elsewhere, or nowhere.
    """
    move = stages.checked_move(stage, archive_others=archive_others)
    registered = locked_model(tx, model)
    version = get_version(tx, model, number)
    broken_rule = None
    for alias, target in stages.alias_moves(tx, model, stages.stage_changes(tx, version, move)).items():
        rule = protection_of(registered, alias)
        if rule is not None and target != number:
            raise Refused(f"move version {number} to {move.stage}", f"{model}@{alias} is protected", STAGE_HINT)
        broken_rule = broken_rule or rule
    if broken_rule is None:
        return stages.carry_out(tx, version, move)
    return ask_for_alias(tx, version, broken_rule, person=tx.actor, move=move)


def unmet(tx: Reader, version: ModelVersion, alias: str) -> Protection | None:
    """Return the protection that forbids to point the alias to the version as it is now, or None."""
    rule = protection_of(get_model(tx, version.model), alias)
    if rule is None or alias_of(tx, version.model, alias) == version.number:
        return None
    digest = current_digest(tx, version)
    approved = (
        request
        for request in requests_of(tx, version.model, number=version.number)
        if request.state == "APPROVED" and request.alias in ("", alias) and request.digest == digest
    )
    return None if any(request.role == rule.role and request.people >= rule.people for request in approved) else rule


def request_alias(
    tx: Tx, model: str, alias: str, number: int, *, person: str = "", reason: str = ""
) -> PromotionRequest:
    """Return the open request to point a protected alias to the version.

    Raises:
        Conflict: the alias is not protected, or points to the version already.
    """
    rule = protection_of(locked_model(tx, model), checked_alias(alias))
    if rule is None:
        raise Conflict(
            "alias", f"{model}@{alias}", "is not protected", f"Point it: hl model point {model}/{number} {alias}"
        )
    if alias_of(tx, model, alias) == number:
        raise Conflict("alias", f"{model}@{alias}", f"names version {number} already")
    request = point_or_ask(tx, model, alias, number, person=person, reason=reason)
    assert isinstance(request, PromotionRequest)
    return request


def protection_of(model: RegisteredModel, alias: str) -> Protection | None:
    return next((rule for rule in model.protected if rule.alias == alias), None)


def protect(tx: Tx, model: str, alias: str, *, role: str = "approver", people: int = 1) -> RegisteredModel:
    """Return the model with the alias protected. Raises Invalid for a role that cannot approve."""
    checked_alias(alias)
    if "approve" not in ROLES.get(role, frozenset()):
        allowed_roles = ", ".join(sorted(name for name, permissions in ROLES.items() if "approve" in permissions))
        raise Invalid("role", role, f"a role that may approve: {allowed_roles}")
    if not 1 <= people <= MAX_PEOPLE:
        raise Invalid("people", people, f"1 to {MAX_PEOPLE}")
    registered = locked_model(tx, model)
    other_rules = tuple(rule for rule in registered.protected if rule.alias != alias)
    rule = Protection(alias=alias, role=role, people=people, set_by=tx.actor)
    bus.emit(tx, "protected", "alias", f"{model}@{alias}", role=role, people=people)
    return MODELS.swap(tx, msgspec.structs.replace(registered, protected=(*other_rules, rule), updated_at=tx.now))


def unprotect(tx: Tx, model: str, alias: str) -> RegisteredModel:
    """Return the model without the protection of the alias. Raises NotFound where it is not protected."""
    registered = locked_model(tx, model)
    if protection_of(registered, alias) is None:
        raise NotFound("protected alias", f"{model}@{alias}")
    other_rules = tuple(rule for rule in registered.protected if rule.alias != alias)
    bus.emit(tx, "unprotected", "alias", f"{model}@{alias}")
    void_requests(tx, model, alias, "the alias is no longer protected")
    return MODELS.swap(tx, msgspec.structs.replace(registered, protected=other_rules, updated_at=tx.now))


def protections(tx: Reader, model: str) -> tuple[Protection, ...]:
    """Return the protected aliases of a model."""
    return get_model(tx, model).protected
