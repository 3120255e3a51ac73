"""Runs and all that is logged to them."""

from helicline.tracking.artifact import artifact_files, delete_artifacts, get_artifact, list_artifacts, put_artifact
from helicline.tracking.experiment import (
    create_experiment,
    delete_experiment,
    ensure_experiment,
    get_experiment,
    get_experiment_by_name,
    rename_experiment,
    restore_experiment,
    tag_experiment,
    untag_experiment,
)
from helicline.tracking.log import (
    dataset_uses,
    log_batch,
    log_inputs,
    log_outputs,
    metric_history,
    note_model,
    untag_run,
)
from helicline.tracking.logged_model import (
    add_logged_model_params,
    create_logged_model,
    delete_logged_model,
    finalize_logged_model,
    get_logged_model,
    tag_logged_model,
    untag_logged_model,
)
from helicline.tracking.run import create_run, delete_run, get_run, restore_run, update_run
from helicline.tracking.search import search_experiments, search_logged_models, search_runs

__all__ = [
    "add_logged_model_params",
    "artifact_files",
    "create_experiment",
    "create_logged_model",
    "create_run",
    "dataset_uses",
    "delete_artifacts",
    "delete_experiment",
    "delete_logged_model",
    "delete_run",
    "ensure_experiment",
    "finalize_logged_model",
    "get_artifact",
    "get_experiment",
    "get_experiment_by_name",
    "get_logged_model",
    "get_run",
    "list_artifacts",
    "log_batch",
    "log_inputs",
    "log_outputs",
    "metric_history",
    "note_model",
    "put_artifact",
    "rename_experiment",
    "restore_experiment",
    "restore_run",
    "search_experiments",
    "search_logged_models",
    "search_runs",
    "tag_experiment",
    "tag_logged_model",
    "untag_experiment",
    "untag_logged_model",
    "untag_run",
    "update_run",
]
