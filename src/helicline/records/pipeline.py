"""Pipelines as static graphs, their runs, and the attempts that workers lease."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from helicline.records.contract import CheckSpec
from helicline.records.metric import MetricSpec
from helicline.records.monitor import MonitorSpec

Kind = Literal["Table", "Model", "Metrics", "Artifact"]
RunState = Literal["QUEUED", "RUNNING", "CANCELLING", "SUCCEEDED", "FAILED", "CANCELLED"]
StepState = Literal["PENDING", "RUNNING", "RETRY_WAIT", "CACHED", "SUCCEEDED", "FAILED", "UPSTREAM_FAILED", "CANCELLED"]
AttemptState = Literal["READY", "LEASED", "SUCCEEDED", "FAILED", "LOST", "TIMED_OUT", "OUT_OF_MEMORY", "CANCELLED"]
Task = Literal["step", "judge", "harvest", "check"]
UNSUCCESSFUL: frozenset[AttemptState] = frozenset({"FAILED", "TIMED_OUT", "OUT_OF_MEMORY", "LOST", "CANCELLED"})


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The source of a step's input: an output of an earlier step, or a dataset."""

    step: str = ""
    output: int = 0
    dataset: str = ""


ParameterType = Literal["int", "float", "bool", "str", "list", "dict", "any"]


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """The declaration of a step's parameter, from its annotation."""

    type: ParameterType = "any"
    optional: bool = False
    choices: tuple[Any, ...] = ()


class StepEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """An environment of a step's own: the file or group that names it, and all packages with versions.

    `hash` covers the Python version, the platform and the packages.
    """

    name: str
    python: str
    requirements: tuple[str, ...]
    hash: str


class StepSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One node of the graph: its function, inputs and parameters; `command` is the line that the function runs.

    A `memory_bytes` of 0 is no limit.
    """

    name: str
    function: str
    code_hash: str
    command: str = ""
    inputs: dict[str, Source] = {}
    input_kinds: dict[str, Kind] = {}
    params: dict[str, Any] = {}
    param_types: dict[str, Parameter] = {}
    outputs: tuple[Kind, ...] = ()
    retries: int = 0
    timeout_s: float = 1800.0
    cache: bool = True
    cpu: float = 1.0
    memory_bytes: int = 0
    secrets: tuple[str, ...] = ()
    env: StepEnvironment | None = None


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """The outputs that make the candidate: its model, metrics, hold-out and drift reference."""

    model: Source
    metrics: Source | None = None
    holdout: Source | None = None
    reference: Source | None = None
    label: str = "label"


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """The interpreter and packages of a run; `hash` covers all other fields."""

    python: str
    platform: str
    packages: tuple[str, ...]
    hash: str


class CodeState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the code: the git commit if there is one, and always a bundle of the files."""

    bundle: str
    commit: str = ""
    branch: str = ""
    dirty: bool = False
    files: tuple[str, ...] = ()


class PipelineSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline as a static graph; `param_targets` are the parameters of steps that each of its own is passed to."""

    name: str
    steps: tuple[StepSpec, ...]
    candidate: Candidate | None
    code: CodeState
    environment: Environment
    params: dict[str, Any] = {}
    param_targets: dict[str, tuple[str, ...]] = {}


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a step. `digest` is the hash of its content; a Model also has its logged model."""

    kind: Kind
    digest: str
    byte_count: int = 0
    row_count: int | None = None
    model_id: str = ""
    values: dict[str, float] = {}


class StepRun(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a pipeline run. `key_parts` are the components of the cache key, which explain a cache miss."""

    pipeline_run: str
    step: str
    state: StepState
    run_id: str = ""
    attempt_count: int = 0
    lost_count: int = 0
    key: str = ""
    key_parts: dict[str, str] = {}
    cached_from: str = ""
    miss_reason: str = ""
    outputs: tuple[Output, ...] = ()
    error: str = ""
    retry_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    version: int = 1


class PipelineRun(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of a pipeline. `params` are those that were set for it; its `spec` has them already."""

    id: str
    pipeline: str
    spec: PipelineSpec
    state: RunState
    created_at: datetime
    created_by: str
    wake_at: datetime | None
    inputs: dict[str, str] = {}
    params: dict[str, Any] = {}
    run_id: str = ""
    experiment_id: str = ""
    loop: str = ""
    turn: int = 0
    use_cache: bool = True
    error: str = ""
    finished_at: datetime | None = None
    version: int = 1


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try at a task, leased by one worker at a time; with a stale `fence` nothing can be committed.

    `peak_bytes` is the most memory that its processes were measured to use, 0 where nothing was measured.
    """

    id: str
    task: Task
    state: AttemptState
    created_at: datetime
    pipeline_run: str = ""
    step: str = ""
    loop: str = ""
    turn: int = 0
    subject: str = ""
    number: int = 1
    fence: int = 0
    worker: str = ""
    lease_until: datetime | None = None
    deadline: datetime | None = None
    timeout_s: float = 1800.0
    cancel: bool = False
    error: str = ""
    wake_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    environment_hash: str = ""
    killed: bool = False
    peak_bytes: int = 0
    result: dict[str, Any] = {}
    version: int = 1


class CacheEntry(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    step: str
    outputs: tuple[Output, ...]
    key_parts: dict[str, str]
    pipeline_run: str
    created_at: datetime
    version: int = 1


class TaskSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The task that a worker gets with a lease, complete: it needs no database and no other call.

    `secrets` are in clear: of all answers of the API only a lease has them.
    """

    attempt: str
    fence: int
    task: Task
    lease_s: float
    timeout_s: float
    step: StepSpec | None = None
    inputs: dict[str, Output] = {}
    datasets: dict[str, str] = {}
    bundle: str = ""
    tracking: dict[str, str] = {}
    token: str = ""
    secrets: dict[str, str] = {}
    judge: JudgeSpec | None = None
    harvest: HarvestSpec | None = None
    check: CheckSpec | None = None


class TableSource(msgspec.Struct, frozen=True, kw_only=True):
    """A table for a task: an output of a step, or all tables of a pinned dataset version (`name@version`)."""

    output: Output
    dataset: str = ""


class JudgeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison of a candidate with the champion on the same hold-out rows, and the profile of the reference.

    Where the pipeline has no hold-out, only their interfaces are compared. `metrics` are those that the checks name,
    `compared` the names of those that the champion is measured by too; functions are in the code of `bundle`.
    """

    model: str
    candidate: int
    champion: int
    holdout: TableSource | None
    reference: TableSource | None
    label: str
    metrics: tuple[MetricSpec, ...] = ()
    compared: tuple[str, ...] = ()
    bundle: str = ""


class HarvestSpan(msgspec.Struct, frozen=True, kw_only=True):
    """What a harvest reaches to: labels that came in before `labels_until`, of predictions before `predictions_until`.

    Predictions after it were not yet looked at by the monitors of the inputs.
    """

    labels_until: datetime
    predictions_until: datetime


class HarvestSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A commit of labelled production rows as a draft of the next version of `dataset`.

    They are those up to `until` that the last published harvest, which reached to `since`, did not take. `reference` is
    the blob of the profile that they have to look like ("" for none), tested as `monitor` (a quality
    monitor, or None for its defaults) says.
    """

    dataset: str
    ref: str
    deployment: str
    label: str
    until: HarvestSpan
    message: str
    since: HarvestSpan | None = None
    reference: str = ""
    monitor: MonitorSpec | None = None
    turn: str = ""


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's report at the end of an attempt."""

    fence: int
    ok: bool
    outputs: tuple[Output, ...] = ()
    error: str = ""
    timed_out: bool = False
    out_of_memory: bool = False
    cancelled: bool = False
    killed: bool = False
    peak_bytes: int = 0
    environment_hash: str = ""
    result: dict[str, Any] = {}
