"""Experiments, runs and what is logged to them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

RunStatus = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
Lifecycle = Literal["active", "deleted"]


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    experiment_id: str
    name: str
    artifact_location: str
    lifecycle: Lifecycle
    created_at: datetime
    updated_at: datetime
    tags: dict[str, str] = {}


class MetricPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One logged value. `value` may be NaN; infinities are kept as the largest finite float."""

    key: str
    value: float
    timestamp_ms: int
    step: int = 0


class DatasetInput(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset a run says it used, as the MLflow wire names it."""

    name: str
    digest: str
    source_type: str = ""
    source: str = ""
    schema: str = ""
    profile: str = ""
    tags: dict[str, str] = {}


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run with its latest metrics, parameters and tags."""

    run_id: str
    experiment_id: str
    name: str
    status: RunStatus
    lifecycle: Lifecycle
    user: str
    start_time: datetime
    end_time: datetime | None
    artifact_uri: str
    metrics: tuple[MetricPoint, ...] = ()
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    inputs: tuple[DatasetInput, ...] = ()


class LoggedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model as logged by the MLflow 3 client, before anybody registers it."""

    model_id: str
    experiment_id: str
    name: str
    status: str
    artifact_uri: str
    created_at: datetime
    updated_at: datetime
    source_run_id: str = ""
    model_type: str = ""
    lifecycle: Lifecycle = "active"
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    metrics: tuple[MetricPoint, ...] = ()
