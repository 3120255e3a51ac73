"""Promotion requests, and the decisions of people about them: nobody approves a request of their own.

An approval is bound to the digest of the version.
"""

from __future__ import annotations

import msgspec

from helicline import bus
from helicline.access.person import LOCAL, identity
from helicline.errors import Conflict, Refused
from helicline.ids import new_run_id
from helicline.records.model import Approval, ModelVersion, PromotionRequest, Protection, StageMove
from helicline.registry.alias import point
from helicline.registry.model import get_model
from helicline.registry.stage import carry_out
from helicline.registry.version import current_digest, get_version
from helicline.store import nouns
from helicline.store.unit import Reader, Tx

FILES_CHANGED = "the version's files changed since it was asked"


def open_request(
    tx: Tx, version: ModelVersion, *, role: str, people: int, requested_by: str, turn: tuple[str, int] = ("", 0)
) -> PromotionRequest:
    """Return a new request: `people` people of `role` must approve the version as it was judged."""
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
    return _open(tx, request)


def ask_for_alias(
    tx: Tx, version: ModelVersion, rule: Protection, *, person: str, reason: str = "", move: StageMove | None = None
) -> PromotionRequest:
    """Return the open request to let the alias point to this version as it is now; a new one where there is none.

    With `move` the last approval changes the stage, and the alias with it.
    """
    digest = current_digest(tx, version)
    for request in requests_of(tx, version.model, number=version.number):
        if request.alias != rule.alias or request.state != "OPEN":
            continue
        if request.digest == digest and request.move == move:
            return _join(tx, request, person, reason)
        _void(tx, request, FILES_CHANGED)
    return _open(
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


def _join(tx: Tx, request: PromotionRequest, person: str, reason: str) -> PromotionRequest:
    """Return the open request with one more requester, and with the first reason."""
    involved = {request.requested_by, *request.also_asked} | {approval.person for approval in request.approvals}
    updated = msgspec.structs.replace(
        request,
        also_asked=request.also_asked if person in involved else (*request.also_asked, person),
        reason=request.reason or reason[:2000],
    )
    if updated == request:
        return request
    bus.emit(tx, "joined", "promotion_request", request.id, person=person, reason=updated.reason)
    return nouns.REQUESTS.swap(tx, updated)


def void_requests(tx: Tx, model: str, alias: str, why: str) -> None:
    """Void the open requests for an alias that needs no approval any more."""
    for request in requests_of(tx, model):
        if request.alias == alias and request.state == "OPEN":
            _void(tx, request, why)


def _open(tx: Tx, request: PromotionRequest) -> PromotionRequest:
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
    """Return the requests for a model, or for one version of it, newest first."""
    requests = nouns.REQUESTS.select(tx, nouns.REQUESTS.table.c.model == model)
    matching = [request for request in requests if number is None or request.number == number]
    return sorted(matching, key=lambda request: request.created_at, reverse=True)


def decide_request(
    tx: Tx, request_id: str, *, person: str, role: str, approve: bool, reason: str = ""
) -> PromotionRequest:
    """Record one person's decision; the last approval of a request for an alias moves the alias.

    Where the version's files have changed since the request, it is returned as VOID, without the decision.

    Raises:
        Conflict: the request is decided, or the person has decided already.
        Refused: the person has requested it, or has another role.
    """
    request = nouns.REQUESTS.get(tx, request_id)
    if request.state != "OPEN":
        raise Conflict("promotion request", request_id, f"is {request.state} already")
    decider = identity(person)
    if any(identity(approval.person) == decider for approval in request.approvals):
        why = f"has the decision of {decider} already"
        raise Conflict("promotion request", request_id, why, f"Another person must decide. {_hint(decider)}".strip())
    if approve and decider in _who_asked(request):
        hint = f"Somebody else must approve it (four eyes). {_hint(decider)}"
        raise Refused("approve", f"{decider} asked for it", hint.strip())
    if role not in (request.role, "admin"):
        raise Refused("approve", f"{person} is {role}, not {request.role}")
    if current_digest(tx, get_version(tx, request.model, request.number)) != request.digest:
        return _void(tx, request, FILES_CHANGED)
    approval = Approval(person=person, role=role, decision="approve" if approve else "reject", at=tx.now, reason=reason)
    return _record(tx, request, approval)


def _who_asked(request: PromotionRequest) -> set[str]:
    requesters = {identity(person) for person in (request.requested_by, *request.also_asked)}
    # a turn begun without a token asks nobody in anybody's name: who runs the loop on a laptop may approve its version
    return requesters - {LOCAL} if request.loop else requesters


def _hint(person: str) -> str:
    return "" if person != LOCAL else "People are told apart by tokens: hl token create NAME --role approver"


def _record(tx: Tx, request: PromotionRequest, approval: Approval) -> PromotionRequest:
    approvals = (*request.approvals, approval)
    approved_count = sum(1 for approval in approvals if approval.decision == "approve")
    state = "REJECTED" if approval.decision == "reject" else "APPROVED" if approved_count >= request.people else "OPEN"
    bus.emit(
        tx,
        f"{approval.decision}d" if approval.decision == "approve" else "rejected",
        "promotion_request",
        request.id,
        person=approval.person,
        reason=approval.reason,
        state=state,
    )
    updated = nouns.REQUESTS.swap(tx, msgspec.structs.replace(request, approvals=approvals, state=state))
    if state == "APPROVED" and request.alias:
        _apply_request(tx, request)
    return updated


def _apply_request(tx: Tx, request: PromotionRequest) -> None:
    if request.move is None:
        point(tx, request.model, request.alias, request.number)
        return
    registered = get_model(tx, request.model)
    other_aliases = [rule.alias for rule in registered.protected if rule.alias != request.alias]
    carry_out(tx, get_version(tx, request.model, request.number), request.move, except_aliases=other_aliases)


def _void(tx: Tx, request: PromotionRequest, why: str) -> PromotionRequest:
    bus.emit(tx, "voided", "promotion_request", request.id, why=why)
    return nouns.REQUESTS.swap(tx, msgspec.structs.replace(request, state="VOID"))
