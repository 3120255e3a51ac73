"""Requests to promote a version, and the people who decide on them: four eyes, bound to the digest."""

from __future__ import annotations

import msgspec

from helicline import bus
from helicline.errors import Conflict, Refused
from helicline.ids import new_run_id
from helicline.records.model import Approval, ModelVersion, PromotionRequest
from helicline.store import nouns
from helicline.store.unit import Tx


def open_request(
    tx: Tx, version: ModelVersion, *, role: str, people: int, requested_by: str, turn: tuple[str, int] = ("", 0)
) -> PromotionRequest:
    """Ask `people` people of `role` to let a version go on."""
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
    bus.emit(tx, "opened", "promotion_request", request.id, model_version=version.id, role=role, people=people)
    return nouns.REQUESTS.insert(tx, request)


def decide_request(
    tx: Tx, request_id: str, *, person: str, role: str, approve: bool, reason: str = ""
) -> PromotionRequest:
    """Record one person's decision.

    Raises:
        Conflict: the request is decided, or the person decided already.
        Refused: the person asked for it, or the version's bytes are not those the request was opened for.
    """
    request = nouns.REQUESTS.get(tx, request_id)
    if request.state != "OPEN":
        raise Conflict("promotion request", request_id, f"is {request.state} already")
    if any(one.person == person for one in request.approvals):
        raise Conflict(
            "promotion request", request_id, f"has the decision of {person} already", "Another person must decide."
        )
    if person == request.requested_by:
        raise Refused("approve", f"{person} asked for it", "Somebody else must approve it (four eyes).")
    if role not in (request.role, "admin"):
        raise Refused("approve", f"{person} is {role}, not {request.role}")
    if nouns.VERSIONS.get(tx, request.model, request.number).digest != request.digest:
        raise Refused("approve", "the version's files changed since the request was opened")
    decided = Approval(person=person, role=role, decision="approve" if approve else "reject", at=tx.now, reason=reason)
    return _record(tx, request, decided)


def _record(tx: Tx, request: PromotionRequest, decided: Approval) -> PromotionRequest:
    approvals = (*request.approvals, decided)
    yes = sum(1 for one in approvals if one.decision == "approve")
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
    return nouns.REQUESTS.swap(tx, msgspec.structs.replace(request, approvals=approvals, state=state))
