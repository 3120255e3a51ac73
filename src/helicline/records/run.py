"""Experiments, runs, logged models, traces, and search clauses."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

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


class MetricPoint(msgspec.Struct, frozen=True, gc=False):
    """One logged value. `value` may be NaN; infinities are stored as the largest finite float."""

    key: str
    value: float
    timestamp_ms: int
    step: int = 0
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""
    run_id: str = ""


class DatasetInput(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that a run has used, in MLflow's fields."""

    name: str
    digest: str
    source_type: str = ""
    source: str = ""
    schema: str = ""
    profile: str = ""
    tags: dict[str, str] = {}


class ModelOutput(msgspec.Struct, frozen=True, kw_only=True):
    """A logged model that a run has produced, with its step."""

    model_id: str
    step: int = 0


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
    model_inputs: tuple[str, ...] = ()
    model_outputs: tuple[ModelOutput, ...] = ()


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """A run as a row of a table; `values` are in the order of the requested columns, and NaN is "NaN"."""

    run_id: str
    experiment_id: str
    name: str
    status: RunStatus
    lifecycle: Lifecycle
    user: str
    start_time: datetime
    end_time: datetime | None
    values: tuple[float | str | None, ...]


class RunKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key of metrics, parameters or tags: how many sampled runs have it, and whether their values differ."""

    entity: str
    name: str
    seen_count: int = 0
    varies: bool = False


class MetricSpan(msgspec.Struct, frozen=True, kw_only=True):
    low: float
    mean: float
    high: float


class RunGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Runs with an equal value of the grouping key; `metrics` are in the requested order."""

    value: str | None
    count: int
    newest: datetime
    metrics: tuple[MetricSpan | None, ...]


class LoggedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model logged by the MLflow 3 client, before it is registered."""

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


class Clause(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison of a search filter, e.g. `metrics.auc > 0.9`; clauses are combined by AND only."""

    entity: str
    key: str
    op: str
    value: str | float | tuple[str, ...] | None = None


class Sort(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a sort order; `dataset` is the (name, digest) whose metrics of a logged model count, "" for any."""

    entity: str
    key: str
    ascending: bool = True
    dataset: tuple[str, str] = ("", "")


class TraceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A trace: `info` is MLflow's trace info document; spans are stored separately."""

    trace_id: str
    experiment_id: str
    timestamp_ms: int
    duration_ms: int | None
    state: str
    info: dict[str, Any]


class SpanRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One span: `body` is its OTLP JSON document in snake_case."""

    trace_id: str
    span_id: str
    start_ns: int
    body: dict[str, Any]
