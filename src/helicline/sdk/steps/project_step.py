"""Steps that are entry points of MLflow Projects, run by the stock `mlflow run`."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

from helicline.errors import Invalid
from helicline.sdk.handles import Metrics, Model
from helicline.sdk.steps.command_step import Command, CommandStep, checked
from helicline.sdk.steps.environment import folder_of
from helicline.sdk.steps.options import RunOptions

FILE = "MLproject"
# the run of the step, where there is one: outside of a worker `mlflow run` makes its own
LINE = 'mlflow run {} -e {} --env-manager=local ${{{{MLFLOW_RUN_ID:+--run-id="$MLFLOW_RUN_ID"}}}}'


class ProjectCommand(Command, frozen=True):
    """An `mlflow run` line; outputs that it has no place for are what the project logs to the run."""

    def output(self, name: str, kind: type, path: Path) -> Any:
        """Return an output: of the path that the project wrote, or of the step's run."""
        if f"{{{name}}}" in self.template:
            return super().output(name, kind, path)
        run_id = os.environ.get("MLFLOW_RUN_ID", "")
        if not run_id:
            allowed = "a run to log to: a worker, or MLFLOW_RUN_ID of one"
            raise Invalid(f"mlflow_project, output {name}", "no run", allowed)
        return _logged_metrics(run_id) if kind is Metrics else _logged_model(name, run_id)


def _logged_metrics(run_id: str) -> Metrics:
    from mlflow import MlflowClient

    return Metrics(MlflowClient().get_run(run_id).data.metrics)


def _logged_model(name: str, run_id: str) -> Any:
    """Return the newest model that a run has logged."""
    from mlflow import MlflowClient

    client = MlflowClient()
    models = client.search_logged_models(
        [client.get_run(run_id).info.experiment_id],
        filter_string=f"source_run_id = '{run_id}'",
        max_results=1,
        order_by=[{"field_name": "creation_timestamp", "ascending": False}],
    )
    if not models:
        allowed = "a model that the project logs: mlflow.<flavour>.log_model(...)"
        raise Invalid(f"mlflow_project, output {name}", "no model in the run", allowed)
    return models[0]


def mlflow_project(
    folder: str,
    *,
    entry_point: str = "main",
    parameters: Mapping[str, Any] | None = None,
    inputs: Mapping[str, type] | None = None,
    outputs: Mapping[str, type] | None = None,
    **options: Unpack[RunOptions],
) -> Any:
    """Make an entry point of an MLflow Project a step: `mlflow run` runs it as it is, and it logs to the step's run.

    The environment is the step's (`env`), not that of the MLproject file. The files of the folder are the step's code.

    Args:
        folder: the folder with the MLproject file, from that of the loop file.
        entry_point: its entry point.
        parameters: their values, which `--set` can replace; others have the defaults of the MLproject file.
        inputs: types of the parameters that are paths of data, like `{"data": hl.Table}`.
        outputs: types of what it makes. One that is a parameter too is written to that path; else it is the model, or
            the metrics, that the project logs.

    Raises:
        Invalid: there is no such project, entry point or parameter, or one without a default has no value.

    Example:
        >>> import helicline as hl
        >>> train = hl.mlflow_project("training", inputs={"data": hl.Table}, outputs={"model": hl.Model})
        Traceback (most recent call last):
        helicline.errors.Invalid: mlflow_project: got 'training', allowed: a folder with a file MLproject.
    """
    frame = sys._getframe(1)
    module = frame.f_globals["__name__"]
    declared = _parameters(folder_of(module) / folder, folder, entry_point)
    values, data, results = parameters or {}, inputs or {}, outputs or {}
    _check(declared, {*values, *data}, results)
    words = [LINE.format(shlex.quote(folder), shlex.quote(entry_point))]
    words += [f"-P {name}={{{name}}}" for name in (*data, *values, *(name for name in results if name in declared))]
    line = " ".join(words)
    placed = {name: kind for name, kind in results.items() if name in declared}
    checked(Command(line, data, placed, values, module, frame.f_lineno))
    return CommandStep(ProjectCommand(line, data, results, values, module, frame.f_lineno), options)


def _parameters(path: Path, folder: str, entry_point: str) -> Mapping[str, Any]:
    """Return the parameters of an entry point by name, each as the MLproject file has it."""
    import yaml

    if not (path / FILE).is_file():
        raise Invalid("mlflow_project", folder, f"a folder with a file {FILE}", _hint(folder))
    try:
        project = yaml.safe_load((path / FILE).read_text())
        entry_points = project.get("entry_points") or {}
        declared = (entry_points[entry_point] or {}).get("parameters") or {}
    except KeyError:
        allowed = f"an entry point of {folder}/{FILE}: {', '.join(map(str, entry_points)) or 'it has none'}"
        raise Invalid("mlflow_project, entry_point", entry_point, allowed) from None
    except (yaml.YAMLError, AttributeError) as error:
        raise Invalid("mlflow_project", f"{folder}/{FILE}", f"an {FILE} file: {error}") from None
    return dict(declared)


def _hint(folder: str) -> str:
    return f"Clone it beside the loop file first: git clone {folder}" if ":" in folder else ""


def _check(declared: Mapping[str, Any], with_value: set[str], results: Mapping[str, type]) -> None:
    names = ", ".join(declared) or "none"
    for name in sorted(with_value - declared.keys()):
        raise Invalid("mlflow_project, parameter", name, f"a parameter of the entry point: {names}")
    for name, parameter in declared.items():
        has_default = isinstance(parameter, dict) and "default" in parameter
        if not has_default and name not in with_value and name not in results:
            raise Invalid(f"mlflow_project, parameter {name}", "no value", "a value, since it has no default")
    for name, kind in results.items():
        if name not in declared and kind not in (Model, Metrics):
            allowed = f"hl.Model or hl.Metrics that it logs, or a parameter that is the path to write to: {names}"
            raise Invalid(f"mlflow_project, output {name}", kind.__name__, allowed)
        if _type_of(declared.get(name)) == "path":  # mlflow takes only paths that exist
            raise Invalid(f"mlflow_project, output {name}", "a parameter of the type path", "one of the type string")


def _type_of(parameter: Any) -> str:
    return str(parameter.get("type", "string") if isinstance(parameter, dict) else parameter)
