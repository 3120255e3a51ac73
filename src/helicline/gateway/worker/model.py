"""Loading a saved model: through MLflow where the environment has it, else scikit-learn natively."""

from __future__ import annotations

import importlib.util
import json
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helicline.errors import Invalid
from helicline.protocol.scoring.signature import Signature, read


@dataclass(slots=True)
class Loaded:
    """A model in memory: `pyfunc` when MLflow loaded it, `estimator` when it is a scikit-learn flavour."""

    path: Path
    signature: Signature
    pyfunc: Any = None
    estimator: Any = None
    method: str = "predict"


def load(path: Path, mlmodel: dict[str, Any]) -> Loaded:
    """Return the model saved in the folder `path`.

    Raises:
        Invalid: it has no scikit-learn flavour and its environment has no MLflow.
    """
    loaded = Loaded(path, read(mlmodel))
    flavors = mlmodel.get("flavors") or {}
    loaded.method = str((flavors.get("python_function") or {}).get("predict_fn") or "predict")
    if importlib.util.find_spec("mlflow") is not None:
        _load_pyfunc(loaded, flavors)
    elif "sklearn" in flavors:
        loaded.estimator = _load_sklearn(path, flavors["sklearn"])
    else:
        raise Invalid("model", sorted(flavors), "a sklearn flavour, or mlflow among the model's requirements")
    return loaded


def _load_pyfunc(loaded: Loaded, flavors: dict[str, Any]) -> None:
    import mlflow.pyfunc

    loaded.pyfunc = mlflow.pyfunc.load_model(str(loaded.path), suppress_warnings=True)
    if "sklearn" in flavors and hasattr(loaded.pyfunc, "get_raw_model"):
        loaded.estimator = loaded.pyfunc.get_raw_model()


def _load_sklearn(path: Path, flavor: dict[str, Any]) -> Any:
    if flavor.get("code"):
        sys.path.insert(0, str(path / str(flavor["code"])))
    file = path / str(flavor["pickled_model"])
    if flavor.get("serialization_format") == "skops":
        import skops.io

        return skops.io.load(file, trusted=flavor.get("skops_trusted_types") or [])
    with file.open("rb") as stream:
        return pickle.load(stream)


def serving_example(path: Path) -> dict[str, Any] | None:
    """Return the model's own example as a scoring request, if it was saved with one."""
    file = path / "serving_input_example.json"
    if not file.is_file():
        return None
    example = json.loads(file.read_text())
    return example if isinstance(example, dict) else None
