"""The registry: models, versions, aliases, and promotion requests."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec


class Protection(msgspec.Struct, frozen=True, kw_only=True):
    """An alias that moves only when `people` people of `role` approve, none of whom has requested it."""

    alias: str
    role: str = "approver"
    people: int = 1
    set_by: str = ""


class RegisteredModel(msgspec.Struct, frozen=True, kw_only=True):
    """A name with versions; `last_version` never decreases, so numbers are not reused."""

    name: str
    created_at: datetime
    updated_at: datetime
    description: str = ""
    tags: dict[str, str] = {}
    is_prompt: bool = False
    last_version: int = 0
    protected: tuple[Protection, ...] = ()
    version: int = 1


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a model. `digest` covers the content of its files; approvals and deployments are bound to it."""

    model: str
    number: int
    source: str
    artifact_root: str
    run_id: str
    model_id: str
    digest: str
    created_at: datetime
    updated_at: datetime
    created_by: str
    description: str = ""
    run_link: str = ""  # the page of the run on another tracking server
    tags: dict[str, str] = {}
    stage: str = "None"
    status: str = "READY"
    deleted: bool = False
    loop: str = ""
    turn: int = 0
    card: dict[str, str] = {}
    version: int = 1

    @property
    def id(self) -> str:
        return f"{self.model}/{self.number}"


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    """A pointer to one version: `digits@champion`."""

    model: str
    alias: str
    number: int
    updated_at: datetime
    updated_by: str = ""
    version: int = 1


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    person: str
    role: str
    decision: Literal["approve", "reject"]
    at: datetime
    reason: str = ""


class StageMove(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a version's stage; `archive_others` archives other versions in that stage."""

    stage: str
    archive_others: bool = False


RequestState = Literal["OPEN", "APPROVED", "REJECTED", "VOID"]


class PromotionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that people approve the promotion of a version, bound to its digest.

    With `alias` the last approval moves that alias, with `move` by a change of stage; without, the turn continues.
    Requesters cannot approve: neither `requested_by` nor those in `also_asked`.
    """

    id: str
    model: str
    number: int
    digest: str
    role: str
    people: int
    requested_by: str
    created_at: datetime
    state: RequestState = "OPEN"
    approvals: tuple[Approval, ...] = ()
    alias: str = ""
    move: StageMove | None = None
    reason: str = ""
    also_asked: tuple[str, ...] = ()
    loop: str = ""
    turn: int = 0
    version: int = 1


class ArtifactFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file below an artifact root, with the digest of its content."""

    path: str
    size: int
    hash: str


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """A model's signature from its MLmodel file: parsed JSON lists, empty where it has none."""

    inputs: tuple[dict[str, Any], ...] = ()
    outputs: tuple[dict[str, Any], ...] = ()
    params: tuple[dict[str, Any], ...] = ()
