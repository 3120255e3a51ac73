"""The step task: fetches code and inputs, calls the function, and stores its result."""

from __future__ import annotations

import importlib
import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from helicline.engine.estimator import is_estimator, log_estimator
from helicline.errors import Invalid
from helicline.ids import new_run_id
from helicline.records.pipeline import Completion, Kind, Output, TaskSpec
from helicline.sdk.authoring import Step
from helicline.sdk.client import Client
from helicline.sdk.environment import capture
from helicline.sdk.handles import Artifact, Metrics, Model, Table, write_parquet
from helicline.sdk.steps.dataset_table import open_dataset
from helicline.sdk.steps.in_process import LOGGED_MODEL, as_tuple, json_of, metrics_of


def run_step(task: TaskSpec, client: Client, scratch: Path) -> Completion:
    """Run the step of a task and return its report.

    Raises:
        Invalid: the function did not return what it declares. Anything that the function itself raises.
    """
    assert task.step is not None
    function = load_function(task, client, scratch)
    arguments = {
        name: _input(task, name, output, client=client, scratch=scratch) for name, output in task.inputs.items()
    }
    returned = function(**arguments, **task.step.params)
    tables = [argument for argument in arguments.values() if isinstance(argument, Table)]
    values = tuple(
        log_estimator(value, tables) if kind == "Model" and is_estimator(value) else value
        for kind, value in zip(task.step.outputs, as_tuple(task.step.name, returned, task.step.outputs), strict=True)
    )
    outputs = tuple(
        KEEPERS[kind](f"step {task.step.name}, output {position + 1}", value, client, scratch)
        for position, (kind, value) in enumerate(zip(task.step.outputs, values, strict=True))
    )
    return Completion(fence=task.fence, ok=True, outputs=outputs, environment_hash=capture().hash)


def load_function(task: TaskSpec, client: Client, scratch: Path) -> Callable[..., Any]:
    """Return the step's function from the code bundle."""
    assert task.step is not None
    code = unpack(task.bundle, client, scratch)
    value = imported(task.step.function)
    _pickle_by_value(code)
    return value.function if isinstance(value, Step) else value


def unpack(bundle: str, client: Client, scratch: Path) -> Path:
    """Unpack a code bundle, so that its modules can be imported, and return the folder."""
    code = scratch / "code"
    code.mkdir()
    with tarfile.open(client.fetch_blob(bundle, scratch / "code.tar")) as archive:
        archive.extractall(code, filter="data")
    sys.path.insert(0, str(code))
    return code


def imported(reference: str) -> Any:
    """Return what `module:name` stands for, importing the module."""
    module, _, name = reference.partition(":")
    value: Any = importlib.import_module(module)
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _pickle_by_value(code: Path) -> None:
    """Have cloudpickle, by which MLflow saves models, put classes of the loop's own files into the model itself.

    What loads the model later (judge, gateway, anybody) has not these files.
    """
    try:
        import cloudpickle
    except ImportError:
        return
    below = f"{code}{os.sep}"  # as text: thousands of modules are looked at for each step
    for module in list(sys.modules.values()):
        if str(getattr(module, "__file__", None)).startswith(below):
            cloudpickle.register_pickle_by_value(module)


def _input(task: TaskSpec, name: str, output: Output, *, client: Client, scratch: Path) -> Any:
    assert task.step is not None
    source = task.step.inputs[name]
    folder = scratch / "inputs" / name
    if source.dataset:
        return open_dataset(task.datasets[source.dataset], client, folder)
    return OPENERS[task.step.input_kinds[name]](output, client, folder)


def open_table(output: Output, client: Client, folder: Path) -> Table:
    """Return the table of an earlier step."""
    return Table([client.fetch_blob(output.digest, folder / "part-0.parquet")])


def open_model(output: Output, client: Client, folder: Path) -> Model:
    """Return a logged model, its files fetched with the stock client."""
    import mlflow.artifacts

    path = mlflow.artifacts.download_artifacts(f"models:/{output.model_id}", dst_path=str(folder))
    return Model(Path(path), model_id=output.model_id, digest=output.digest)


def _open_metrics(output: Output, _client: Client, _folder: Path) -> Metrics:
    return Metrics(output.values)


def _open_artifact(output: Output, client: Client, folder: Path) -> Artifact:
    return Artifact(client.fetch_blob(output.digest, folder / "artifact"))


OPENERS: dict[Kind, Callable[[Output, Client, Path], Any]] = {
    "Table": open_table,
    "Model": open_model,
    "Metrics": _open_metrics,
    "Artifact": _open_artifact,
}


def _keep_table(field: str, value: Any, client: Client, scratch: Path) -> Output:
    path = scratch / f"{new_run_id()}.parquet"
    try:
        write_parquet(value, path)
    except Invalid as error:
        raise Invalid(field, error.got, error.allowed) from None
    entry = client.put_blob(path)
    return Output(kind="Table", digest=entry.hash, byte_count=entry.size, row_count=Table([path]).row_count)


def _keep_metrics(field: str, value: Any, client: Client, _scratch: Path) -> Output:
    numbers = metrics_of(field, value)
    digest = client.put_bytes(msgspec.json.encode(numbers, order="sorted"))
    return Output(kind="Metrics", digest=digest, values=numbers)


def _keep_artifact(field: str, value: Any, client: Client, _scratch: Path) -> Output:
    path = value.path if isinstance(value, Artifact) else value
    if isinstance(path, Path):
        if not path.is_file():
            raise Invalid(field, str(path), "a file that exists")
        entry = client.put_blob(path)
        return Output(kind="Artifact", digest=entry.hash, byte_count=entry.size)
    content = json_of(field, value)
    return Output(kind="Artifact", digest=client.put_bytes(content), byte_count=len(content))


def _keep_model(field: str, value: Any, _client: Client, _scratch: Path) -> Output:
    """Return the output for the logged model that `value` names."""
    from mlflow import MlflowClient

    model_id = getattr(value, "model_id", None)
    if not model_id:
        raise Invalid(field, type(value).__name__, LOGGED_MODEL)
    logged_model = MlflowClient().get_logged_model(model_id)
    return Output(kind="Model", digest=_model_digest(logged_model.model_id), model_id=logged_model.model_id)


def _model_digest(model_id: str) -> str:
    """Return a digest of a logged model's files, without the MLmodel file, which has ids and times."""
    import mlflow.artifacts
    from blake3 import blake3

    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{model_id}"))
    hasher = blake3()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "MLmodel"):
        hasher.update(path.relative_to(folder).as_posix().encode() + b"\0" + blake3(path.read_bytes()).digest())
    return hasher.hexdigest()


KEEPERS: dict[Kind, Callable[[str, Any, Client, Path], Output]] = {
    "Table": _keep_table,
    "Model": _keep_model,
    "Metrics": _keep_metrics,
    "Artifact": _keep_artifact,
}
