"""Requests to promote a version, and the people who decide on them: four eyes, bound to the digest."""

from __future__ import annotations

import msgspec

from helicline import bus
from helicline.errors import Conflict, Refused
from helicline.ids import new_run_id
from helicline.records.model import Approval, ModelVersion, PromotionRequest, Protection, StageMove
from helicline.registry.alias import point
from helicline.registry.model import get_model
from helicline.registry.stage import carry_out
from helicline.registry.version import current_digest, get_version
from helicline.store import nouns
from helicline.store.unit import Reader, Tx

CHANGED = "the version's files changed since it was asked"


def open_request(
    tx: Tx, version: ModelVersion, *, role: str, people: int, requested_by: str, turn: tuple[str, int] = ("", 0)
) -> PromotionRequest:
    """Ask `people` people of `role` to let a version go on, as it was judged."""
    request = PromotionRequest(
        id=new_run_id()[:12],
        model=version.model,
        number=version.number,
        digest=version.digest,
        role=role,
        people=people,
        requested_by=requested_by,
        created_at=tx.now,
        loop=turn[0],
        turn=turn[1],
    )
    return _opened(tx, request)


def ask_for_alias(
    tx: Tx, version: ModelVersion, rule: Protection, *, person: str, reason: str = "", move: StageMove | None = None
) -> PromotionRequest:
    """Return the open request to let the alias name this version as it is now: the one there is, or a new one.

    With `move` the last approval makes that move, which brings the alias along.
    """
    digest = current_digest(tx, version)
    for request in requests_of(tx, version.model, number=version.number):
        if request.alias != rule.alias or request.state != "OPEN":
            continue
        if request.digest == digest and request.move == move:
            return _joined(tx, request, person, reason)
        _void(tx, request, CHANGED)
    return _opened(
        tx,
        PromotionRequest(
            id=new_run_id()[:12],
            model=version.model,
            number=version.number,
            digest=digest,
            role=rule.role,
            people=rule.people,
            requested_by=person,
            created_at=tx.now,
            alias=rule.alias,
            move=move,
            reason=reason[:2000],
        ),
    )


def _joined(tx: Tx, request: PromotionRequest, person: str, reason: str) -> PromotionRequest:
    """Return the open request with one more who asks, and the first reason that was given."""
    approved = {approval.person for approval in request.approvals}
    involved = {request.requested_by, *request.also_asked} | approved
    fresh = msgspec.structs.replace(
        request,
        also_asked=request.also_asked if person in involved else (*request.also_asked, person),
        reason=request.reason or reason[:2000],
    )
    if fresh == request:
        return request
    bus.emit(tx, "joined", "promotion_request", request.id, person=person, reason=fresh.reason)
    return nouns.REQUESTS.swap(tx, fresh)


def void_requests(tx: Tx, model: str, alias: str, why: str) -> None:
    """End the open requests for an alias that needs none any more."""
    for request in requests_of(tx, model):
        if request.alias == alias and request.state == "OPEN":
            _void(tx, request, why)


def _opened(tx: Tx, request: PromotionRequest) -> PromotionRequest:
    bus.emit(
        tx,
        "opened",
        "promotion_request",
        request.id,
        model_version=f"{request.model}/{request.number}",
        role=request.role,
        people=request.people,
        alias=request.alias,
    )
    return nouns.REQUESTS.insert(tx, request)


def requests_of(tx: Reader, model: str, *, number: int | None = None) -> list[PromotionRequest]:
    """Return the requests for a model, or one version of it, newest first."""
    requests = nouns.REQUESTS.select(tx, nouns.REQUESTS.table.c.model == model)
    matching = [request for request in requests if number is None or request.number == number]
    return sorted(matching, key=lambda request: request.created_at, reverse=True)


def decide_request(
    tx: Tx, request_id: str, *, person: str, role: str, approve: bool, reason: str = ""
) -> PromotionRequest:
    """Record one person's decision; the last approval of a request for an alias moves the alias.

    Where the version's bytes are no longer those it was opened for, the request comes back VOID: nothing was decided.

    Raises:
        Conflict: the request is decided, or the person decided already.
        Refused: the person asked for it, or has another role.
    """
    request = nouns.REQUESTS.get(tx, request_id)
    if request.state != "OPEN":
        raise Conflict("promotion request", request_id, f"is {request.state} already")
    if any(approval.person == person for approval in request.approvals):
        raise Conflict(
            "promotion request", request_id, f"has the decision of {person} already", "Another person must decide."
        )
    if person == request.requested_by or person in request.also_asked:
        raise Refused("approve", f"{person} asked for it", "Somebody else must approve it (four eyes).")
    if role not in (request.role, "admin"):
        raise Refused("approve", f"{person} is {role}, not {request.role}")
    if current_digest(tx, get_version(tx, request.model, request.number)) != request.digest:
        return _void(tx, request, CHANGED)
    decided = Approval(person=person, role=role, decision="approve" if approve else "reject", at=tx.now, reason=reason)
    return _record(tx, request, decided)


def _record(tx: Tx, request: PromotionRequest, decided: Approval) -> PromotionRequest:
    approvals = (*request.approvals, decided)
    yes = sum(1 for approval in approvals if approval.decision == "approve")
    state = "REJECTED" if decided.decision == "reject" else "APPROVED" if yes >= request.people else "OPEN"
    bus.emit(
        tx,
        f"{decided.decision}d" if decided.decision == "approve" else "rejected",
        "promotion_request",
        request.id,
        person=decided.person,
        reason=decided.reason,
        state=state,
    )
    fresh = nouns.REQUESTS.swap(tx, msgspec.structs.replace(request, approvals=approvals, state=state))
    if state == "APPROVED" and request.alias:
        _carried_out(tx, request)
    return fresh


def _carried_out(tx: Tx, request: PromotionRequest) -> None:
    if request.move is None:
        point(tx, request.model, request.alias, request.number)
        return
    registered = get_model(tx, request.model)
    other_aliases = [rule.alias for rule in registered.protected if rule.alias != request.alias]
    carry_out(tx, get_version(tx, request.model, request.number), request.move, but=other_aliases)


def _void(tx: Tx, request: PromotionRequest, why: str) -> PromotionRequest:
    bus.emit(tx, "voided", "promotion_request", request.id, why=why)
    return nouns.REQUESTS.swap(tx, msgspec.structs.replace(request, state="VOID"))
