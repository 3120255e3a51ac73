"""Evaluation: datasets of examples, and scorers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class EvaluationDataset(msgspec.Struct, frozen=True, kw_only=True):
    """Examples under a name; `schema` has the type of each field that any example ever had."""

    id: str
    name: str
    digest: str
    created_at: datetime
    updated_at: datetime
    tags: dict[str, str] = {}
    schema: dict[str, Any] = {}
    record_count: int = 0
    created_by: str = ""
    updated_by: str = ""
    experiments: tuple[str, ...] = ()
    version: int = 1


class EvaluationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One example. `inputs_hash` is unique in its dataset: equal inputs change the existing record."""

    dataset: str
    id: str
    inputs_hash: str
    inputs: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    outputs: Any = None
    expectations: dict[str, Any] = {}
    tags: dict[str, str] = {}
    source: dict[str, Any] = {}
    created_by: str = ""
    updated_by: str = ""
    version: int = 1


class OnlineScoring(msgspec.Struct, frozen=True, kw_only=True):
    """The share of matching traces that a scorer judges automatically; 0 means none."""

    id: str
    sample_rate: float
    filter: str = ""


class ScorerVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a scorer of an experiment, as its client serialized it; this server never runs it."""

    experiment: str
    name: str
    number: int
    scorer_id: str
    serialized: str
    created_at: datetime
    online: OnlineScoring | None = None
    version: int = 1
