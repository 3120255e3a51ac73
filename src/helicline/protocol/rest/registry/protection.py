"""Aliases and promotion requests over HTTP: who may move an alias, and who must approve."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import Parameter

from helicline import registry
from helicline.access.person import LOCAL, local_person
from helicline.errors import Invalid, Refused
from helicline.protocol.rest.edge import Done, Edge, Page
from helicline.records.model import Alias, PromotionRequest, RegisteredModel, RequestState
from helicline.registry.approvals import FILES_CHANGED
from helicline.store import nouns
from helicline.store.unit import Reader

MAX_NAME = 100


class PointBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The version to point to; person and reason are recorded in the promotion request of a protected alias."""

    number: int
    person: str = ""
    reason: str = ""


class ProtectBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    role: str = "approver"
    people: int = 1


class AskBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    model: str
    number: int
    alias: str
    person: str = ""
    reason: str = ""


class DecideBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    reason: str = ""
    person: str = ""


class ModelDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A model with its aliases and promotion requests, newest first."""

    model: RegisteredModel
    aliases: list[Alias]
    requests: list[PromotionRequest]


def acting_person(edge: Edge, claimed: str) -> str:
    """Return the name of the acting person: the token's, or `local (said to be NAME)` for a caller without one."""
    if edge.caller.name != LOCAL:
        if claimed and claimed != edge.caller.name:
            raise Invalid("person", claimed, f"{edge.caller.name}, whose token this is")
        return edge.caller.name
    if len(claimed) > MAX_NAME:
        raise Invalid("person", claimed[:MAX_NAME], f"at most {MAX_NAME} characters")
    return local_person(claimed)


@get("/models/{name:str}", sync_to_thread=True)
def get_model(edge: Edge, name: str) -> ModelDetail:
    """A model: its aliases, which of them are protected, and its promotion requests."""

    def view(tx: Reader) -> ModelDetail:
        model = registry.get_model(tx, name)
        return ModelDetail(
            model=model,
            aliases=nouns.ALIASES.select(tx, nouns.ALIASES.table.c.model == name),
            requests=registry.requests_of(tx, name),
        )

    return edge.read(view)


@post("/models/{name:str}/aliases/{alias:str}", sync_to_thread=True, status_code=200)
def point_alias(edge: Edge, name: str, alias: str, data: PointBody) -> Alias:
    """Point an alias to a version; a protected alias gives 403 with the id of the promotion request."""
    person = acting_person(edge, data.person)
    result = edge.write(
        lambda tx: registry.point_or_ask(tx, name, alias, data.number, person=person, reason=data.reason)
    )
    if isinstance(result, PromotionRequest):
        raise registry.protected_by(result)
    return result


@post("/models/{name:str}/aliases/{alias:str}/drop", sync_to_thread=True, status_code=200)
def drop_alias(edge: Edge, name: str, alias: str) -> Done:
    """Delete an alias; 403 where it is protected."""
    edge.write(lambda tx: registry.unpoint(tx, name, alias))
    return Done()


@post("/models/{name:str}/aliases/{alias:str}/protect", sync_to_thread=True, status_code=200)
def protect(edge: Edge, name: str, alias: str, data: ProtectBody) -> RegisteredModel:
    """Let an alias move only when `people` people of `role` approve."""
    return edge.write(lambda tx: registry.protect(tx, name, alias, role=data.role, people=data.people))


@post("/models/{name:str}/aliases/{alias:str}/unprotect", sync_to_thread=True, status_code=200)
def unprotect(edge: Edge, name: str, alias: str) -> RegisteredModel:
    """Remove the protection of an alias."""
    return edge.write(lambda tx: registry.unprotect(tx, name, alias))


@get("/promotion-requests", sync_to_thread=True)
def list_requests(
    edge: Edge, in_state: Annotated[RequestState | None, Parameter(query="state")] = None, model: str = ""
) -> Page[PromotionRequest]:
    """Requests to promote, newest first."""
    column = nouns.REQUESTS.table.c
    where = [column.state == in_state] if in_state else []
    where += [column.model == model] if model else []
    requests = edge.read(lambda tx: nouns.REQUESTS.select(tx, *where))
    return Page(sorted(requests, key=lambda request: request.created_at, reverse=True))


@post("/promotion-requests", sync_to_thread=True)
def ask(edge: Edge, data: AskBody) -> PromotionRequest:
    """Request that a protected alias points to a version; answers the open request where there is one."""
    person = acting_person(edge, data.person)
    return edge.write(
        lambda tx: registry.request_alias(tx, data.model, data.alias, data.number, person=person, reason=data.reason)
    )


@post("/promotion-requests/{request_id:str}/{decision:str}", sync_to_thread=True, status_code=200)
def decide(edge: Edge, request_id: str, decision: str, data: DecideBody) -> PromotionRequest:
    """Approve or reject a request, in the name of the token, or of `person` on a local server."""
    if decision not in ("approve", "reject"):
        raise Invalid("decision", decision, "approve or reject")
    if edge.caller.name == LOCAL and not data.person.strip():
        raise Invalid("person", data.person, "the name of the person who decides")
    person = acting_person(edge, data.person)
    role = edge.caller.role
    request = edge.write(
        lambda tx: registry.decide_request(
            tx, request_id, person=person, role=role, approve=decision == "approve", reason=data.reason
        )
    )
    if request.state == "VOID":
        raise Refused("approve", FILES_CHANGED, "The request is void; ask again for the version as it is now.")
    return request


ROUTES = [get_model, point_alias, drop_alias, protect, unprotect, list_requests, ask, decide]
