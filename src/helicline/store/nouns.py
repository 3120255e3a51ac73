"""The tables of the nouns, one declaration each (tracking and traces have tables of their own form)."""

from __future__ import annotations

from helicline.records.access import Secret, Session, Token
from helicline.records.contract import Contract
from helicline.records.dataset import Dataset, DatasetRef, DatasetVersion
from helicline.records.deployment import Deployment, Revision, Rollout, Routing, Sighting
from helicline.records.evaluation import EvaluationDataset, EvaluationRecord, ScorerVersion
from helicline.records.gate import GateReport
from helicline.records.lease import Lease
from helicline.records.loop import Loop, Trigger, Turn
from helicline.records.model import Alias, ModelVersion, PromotionRequest, RegisteredModel
from helicline.records.monitor import Alert, Monitor, Window
from helicline.records.notification import Notification
from helicline.records.pipeline import Attempt, CacheEntry, PipelineRun, StepRun
from helicline.records.webhook import Delivery, Webhook
from helicline.store.noun import Noun

LEASES = Noun("lease", Lease, key=("name",))
TOKENS = Noun("token", Token, key=("id",), index=("secret_sha256",))
SESSIONS = Noun("session", Session, key=("id",), index=("secret_sha256", "expires_at"))
SECRETS = Noun("secret", Secret, key=("name",))

DATASETS = Noun("dataset", Dataset, key=("name",))
DATASET_VERSIONS = Noun(
    "dataset_version",
    DatasetVersion,
    key=("dataset", "id"),
    index=("sequence", "created_at"),
    columns=("state",),
    indexes=(("state",),),
)
DATASET_REFS = Noun("dataset_ref", DatasetRef, key=("dataset", "name"))
CONTRACTS = Noun("dataset_contract", Contract, key=("dataset",))

PIPELINE_RUNS = Noun(
    "pipeline_run",
    PipelineRun,
    key=("id",),
    index=("pipeline", "state", "created_at", "wake_at"),
    indexes=(("pipeline", "created_at"), ("state", "created_at")),
)
STEP_RUNS = Noun("step_run", StepRun, key=("pipeline_run", "step"), index=("key",))
ATTEMPTS = Noun(
    "attempt", Attempt, key=("id",), index=("state", "pipeline_run", "created_at", "wake_at", "lease_until")
)
CACHE = Noun("step_cache", CacheEntry, key=("key",), index=("step",))

MODELS = Noun("registered_model", RegisteredModel, key=("name",))
VERSIONS = Noun(
    "model_version",
    ModelVersion,
    key=("model", "number"),
    index=("run_id", "model_id", "created_at"),
    columns=("deleted",),
)
ALIASES = Noun("model_alias", Alias, key=("model", "alias"), index=("number",))
REQUESTS = Noun("promotion_request", PromotionRequest, key=("id",), index=("model", "state"))

WEBHOOKS = Noun("webhook", Webhook, key=("id",), index=("created_at",))
NOTIFICATIONS = Noun("notification", Notification, key=("channel", "need"), index=("state",))
DELIVERIES = Noun("webhook_delivery", Delivery, key=("id",), index=("webhook", "state", "wake_at"))

EVALUATION_DATASETS = Noun("evaluation_dataset", EvaluationDataset, key=("id",), index=("name", "created_at"))
EVALUATION_RECORDS = Noun(
    "evaluation_record", EvaluationRecord, key=("dataset", "id"), index=("inputs_hash", "created_at")
)
SCORERS = Noun("scorer_version", ScorerVersion, key=("experiment", "name", "number"), index=("scorer_id",))

REPORTS = Noun("gate_report", GateReport, key=("model", "number"), index=("created_at",))

DEPLOYMENTS = Noun("deployment", Deployment, key=("name",), index=("model",))
REVISIONS = Noun("revision", Revision, key=("deployment", "number"), index=("state", "wanted"))
ROLLOUTS = Noun("rollout", Rollout, key=("deployment", "number"), index=("state", "wake_at", "created_at"))

ROUTING = Noun("routing", Routing, key=("id",))
SIGHTINGS = Noun("gateway_sighting", Sighting, key=("gateway", "session"), index=("seen_at",))

MONITORS = Noun("monitor", Monitor, key=("deployment", "name"), index=("wake_at",))
WINDOWS = Noun(
    "monitor_window",
    Window,
    key=("deployment", "monitor", "end"),
    index=("severity",),
    columns=("judged_at",),
    indexes=(("deployment", "monitor", "judged_at"),),
)
ALERTS = Noun("alert", Alert, key=("deployment", "number"), index=("state", "opened_at"))

LOOPS = Noun("loop", Loop, key=("name",))
TURNS = Noun(
    "turn",
    Turn,
    key=("loop", "number"),
    index=("state", "created_at", "wake_at"),
    columns=("model_version",),
    indexes=(("model_version",), ("loop", "state", "number")),
)
TRIGGERS = Noun("loop_trigger", Trigger, key=("loop", "name"), index=("wake_at",))
