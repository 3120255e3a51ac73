"""Steps in plain Python: their arguments and results in this process, with the types that they have in a worker."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from helicline.errors import Invalid, NotFound, Unavailable
from helicline.ids import checked_metric_name
from helicline.records.pipeline import Kind
from helicline.sdk.handles import Artifact, Metrics, Model, Table, scratch_folder
from helicline.sdk.local_files import files_of
from helicline.sdk.steps.graph import Dataset
from helicline.tables.names import kind_of

_RUNNING: ContextVar[bool] = ContextVar("helicline_in_process", default=False)
TABULAR = "a hl.Table, a DataFrame, an Arrow table, a dict of columns, or the path of CSV, JSON lines or Parquet files"


class LocalCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """What a pipeline that ran in this process made: the values of its candidate."""

    model: Any
    metrics: Any = None
    holdout: Any = None
    reference: Any = None
    label: str = "label"


@contextmanager
def running() -> Iterator[None]:
    """Have every step that is called run in this process, and give its result with the declared types."""
    token = _RUNNING.set(True)
    try:
        yield
    finally:
        _RUNNING.reset(token)


def is_running() -> bool:
    return _RUNNING.get()


def check_secrets(step: str, names: Sequence[str]) -> None:
    """Raise Invalid where a pipeline that runs in this process lacks a secret of a step."""
    absent = [name for name in names if name not in os.environ]
    if absent and is_running():
        allowed = f"variables of this process: {', '.join(names)}"
        raise Invalid(f"step {step}, secrets", absent[0], allowed, f"Set it: export {absent[0]}=...")


def argument(field: str, value: Any, kind: Kind) -> Any:
    """Return an argument of a step as the type that the step declares.

    Raises:
        Invalid: no table can be made of it.
    """
    if kind == "Table":
        return table_of(field, value)
    if kind == "Model":
        return _model_of(value) or value
    return Metrics(value) if kind == "Metrics" and isinstance(value, dict) else value


def results(step: str, returned: Any, kinds: tuple[Kind, ...]) -> Any:
    """Return what a step returned as the types that it declares.

    Raises:
        Invalid: it is something else.
    """
    values = as_tuple(step, returned, kinds)
    converted = tuple(
        MAKERS[kind](f"step {step}, output {position + 1}", value)
        for position, (kind, value) in enumerate(zip(kinds, values, strict=True))
    )
    return converted[0] if len(converted) == 1 else converted or None


def as_tuple(step: str, returned: Any, kinds: tuple[Kind, ...]) -> tuple[Any, ...]:
    """Return the outputs of a step apart. Raises Invalid where there are not as many as it declares."""
    if not kinds:
        return ()
    values = returned if len(kinds) > 1 and isinstance(returned, tuple) else (returned,)
    if returned is None or len(values) != len(kinds):
        returned_text = "nothing" if returned is None else f"{len(values)} values"
        raise Invalid(f"step {step} returned", returned_text, f"what it declares: {', '.join(kinds)}")
    return tuple(values)


def table_of(field: str, value: Any) -> Table:
    """Return a table of a frame, of columns, of a file or folder, or of a dataset version on the server.

    Raises:
        Invalid: it is none of these. Unavailable: it is a dataset, and no server answers.
    """
    if isinstance(value, Table):
        return value
    if isinstance(value, Dataset):
        return _table_of_dataset(field, value)
    if isinstance(value, str | Path):
        return _table_of_path(field, Path(value))
    try:
        return Table.of(value)
    except Invalid as error:
        raise Invalid(field, error.got, TABULAR) from None


def _table_of_path(field: str, path: Path) -> Table:
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    tables = [file for file in files if file.is_file() and kind_of(str(file))]
    if not tables:
        raise Invalid(field, str(path), TABULAR)
    return Table(tables)


def _table_of_dataset(field: str, dataset: Dataset) -> Table:
    from helicline.sdk.client import Client
    from helicline.sdk.steps.dataset_table import open_dataset

    folder = Path(scratch_folder()) / uuid4().hex
    folder.mkdir()
    try:
        with Client() as client:
            return open_dataset(dataset.spec, client, folder)
    except (Unavailable, NotFound) as error:
        if dataset.files:
            files = files_of(dataset.files)
            print(f"{field}: {dataset.spec} is read from its files: {error}", flush=True)
            return Table([path for _, path in files], names=[entry.path for entry, _ in files])
        if isinstance(error, NotFound):
            raise
        hint = f"Start the server with `hl up`, or pass rows: {field.rpartition(' ')[2]}=frame"
        raise Unavailable(f"dataset {dataset.spec}", error.why, hint) from None


class _FittedModel(Model):
    """An estimator that has not left this process; its files are written when they are asked for."""

    def __init__(self, estimator: Any) -> None:
        self.estimator, self.model_id, self.digest = estimator, "", ""

    @cached_property
    def path(self) -> Path:  # type: ignore[override]
        import mlflow.sklearn

        folder = Path(scratch_folder()) / uuid4().hex
        # its requirements are those of this process: to find them out would take long
        mlflow.sklearn.save_model(self.estimator, str(folder), serialization_format="cloudpickle", pip_requirements=[])
        return folder

    def predict(self, rows: Any) -> Any:
        """Return the predictions for `rows`."""
        return self.estimator.predict(rows)


def _model_of(value: Any) -> Model | None:
    """Return the model of an estimator, a logged model or a folder; None for anything else."""
    if isinstance(value, Model):
        return value
    if isinstance(value, str | Path) and Path(value).is_dir():
        return Model(Path(value))
    if hasattr(value, "predict") and hasattr(value, "get_params"):
        return _FittedModel(value)
    model_id = getattr(value, "model_id", "")
    if not model_id:
        return None
    import mlflow.artifacts

    folder = Path(scratch_folder()) / uuid4().hex
    path = mlflow.artifacts.download_artifacts(f"models:/{model_id}", dst_path=str(folder))
    return Model(Path(path), model_id=model_id)


def _model(field: str, value: Any) -> Model:
    model = _model_of(value)
    if model is None:
        raise Invalid(field, type(value).__name__, LOGGED_MODEL)
    return model


def metrics_of(field: str, value: Any) -> Metrics:
    """Return the metrics that a step returned. Raises Invalid where they are no finite numbers by name."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise Invalid(field, type(value).__name__, "hl.Metrics or a dict of names to numbers")
    numbers = Metrics({name: float(number) for name, number in value.items()})
    bad = next((name for name, number in numbers.items() if not math.isfinite(number)), None)
    if bad is not None:
        raise Invalid(f"{field}, metric {bad}", str(numbers[bad]), "a finite number")
    for name in numbers:
        checked_metric_name(f"{field}, metric {name}", name)
    return numbers


def json_of(field: str, value: Any) -> bytes:
    """Return a value as the JSON of an artifact. Raises Invalid where JSON cannot hold it."""
    try:
        return msgspec.json.encode(value, order="deterministic")
    except (TypeError, msgspec.MsgspecError):
        raise Invalid(field, type(value).__name__, "a file path or a value that JSON can hold") from None


def _artifact(field: str, value: Any) -> Artifact:
    path = value.path if isinstance(value, Artifact) else value
    if not isinstance(path, Path):
        content, path = json_of(field, path), Path(scratch_folder()) / f"{uuid4().hex}.json"
        path.write_bytes(content)
    if not path.is_file():
        raise Invalid(field, str(path), "a file that exists")
    return Artifact(path)


LOGGED_MODEL = "a model logged with mlflow (its ModelInfo or LoggedModel), or a scikit-learn estimator"
MAKERS: dict[Kind, Callable[[str, Any], Any]] = {
    "Table": table_of,
    "Model": _model,
    "Metrics": metrics_of,
    "Artifact": _artifact,
}
