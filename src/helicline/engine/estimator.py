"""A fitted scikit-learn estimator that a step returns: logged by the stock client, with the columns of its table."""

from __future__ import annotations

import inspect
import io
import pickle
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from typing import Any

from helicline.sdk.handles import Table

ANSWERS = 1000  # say what a model answers
SKLEARN = "sklearn"
DISTRIBUTIONS = {SKLEARN: "scikit-learn"}  # the names of others are their modules', or looked up, which takes longer


def is_estimator(value: Any) -> bool:
    """Return whether a value is an estimator by its manners: it can be fitted, predicts, and is no logged model."""
    return hasattr(value, "predict") and hasattr(value, "get_params") and not hasattr(value, "model_id")


def log_estimator(estimator: Any, tables: Sequence[Table]) -> Any:
    """Log an estimator by MLflow and return what its client returns.

    Its signature has the columns that it was fitted on, as they are in the first of the step's `tables` that has them
    all. Where none has, or the estimator does not predict for them, it has no signature, which is printed.
    """
    import mlflow.sklearn

    signature = _signature(estimator, tables)
    if signature is None:
        print("the model is logged without a signature, so that its inputs are not monitored by column; to have one,")
        print(
            "fit it on columns of a table of the step, or return mlflow.sklearn.log_model(..., signature=...)",
            flush=True,
        )
    options = {**_saved_form(estimator), **_packages(estimator)}
    return mlflow.sklearn.log_model(estimator, name="model", signature=signature, **options)


def _packages(estimator: Any) -> dict[str, Any]:
    """Return the requirements of the model as an option of `log_model`; without it MLflow finds them out by itself."""
    try:
        return {"pip_requirements": requirements_of(estimator, "cloudpickle", "skops")}
    except Exception as error:  # what cannot be pickled here may still be saved
        print(f"MLflow finds out the packages of the model: {type(error).__name__}: {error}", flush=True)
        return {}


def _signature(estimator: Any, tables: Sequence[Table]) -> Any:
    from mlflow.models import infer_signature

    names = list(getattr(estimator, "feature_names_in_", ()))
    table = next((table for table in tables if names and set(names) <= set(table.columns)), None)
    if table is None:
        return None
    try:
        rows = table.pandas()[names]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that whole numbers may be missing later: they are not in what was learned
            return infer_signature(rows, estimator.predict(rows.head(ANSWERS)))
    except Exception as error:  # the step may have changed the columns before it fitted them
        print(f"the model does not predict for the columns of its table: {type(error).__name__}: {error}", flush=True)
        return None


def _saved_form(estimator: Any) -> dict[str, Any]:
    """Return how MLflow saves the step's own estimator: by skops with its types trusted, where that takes it.

    Older clients and those without skops save by cloudpickle unasked.
    """
    import mlflow.sklearn

    if "skops_trusted_types" not in inspect.signature(mlflow.sklearn.log_model).parameters:
        return {}
    try:
        import skops.io

        content = skops.io.dumps(estimator)
        types = skops.io.get_untrusted_types(data=content)
        skops.io.loads(content, trusted=types)
    except Exception as error:  # skops takes no functions and classes of the loop's own files, and says so in many ways
        print(f"saved by cloudpickle: skops does not take the model ({type(error).__name__})", flush=True)
        return {"serialization_format": "cloudpickle"}
    if own := [name for name in types if name.startswith(tuple(f"{module}." for module in _own_modules()))]:
        print(f"saved by cloudpickle, with the classes of the loop's own files: {', '.join(own)}", flush=True)
        return {"serialization_format": "cloudpickle"}  # skops names a class, and what loads the model has no such file
    if types:
        print(f"saved by skops; trusted when it is loaded: {', '.join(types)}", flush=True)
    return {"skops_trusted_types": types}


def _own_modules() -> set[str]:
    """Return the modules of the loop's own files, which the step has had cloudpickle put into models by value."""
    import cloudpickle

    return set(cloudpickle.list_registry_pickle_by_value())


def requirements_of(estimator: Any, *more: str) -> list[str]:
    """Return `name==version` of the packages whose classes and functions are in an estimator, and of `more` modules.

    MLflow finds them by loading the model in another process, which takes ten seconds and finds what is imported
    there besides.

    Raises:
        Exception: the estimator cannot be pickled, in as many ways as there are.
    """
    import cloudpickle

    reader = _Reader(io.BytesIO(cloudpickle.dumps(estimator)))
    reader.load()
    packages = {module.partition(".")[0] for module in (*reader.modules, SKLEARN, *more)}
    return sorted({line for package in packages - sys.stdlib_module_names for line in _pinned(package)})


class _Reader(pickle.Unpickler):
    """Loads a pickle of this process, and notes the modules that it loads from."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.modules: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.modules.add(module)
        value = super().find_class(module, name)
        return self._noting(value) if name == "subimport" else value  # how cloudpickle writes a module

    def _noting(self, load: Callable[[str], Any]) -> Callable[[str], Any]:
        def noted(module: str) -> Any:
            self.modules.add(module)
            return load(module)

        return noted


def _pinned(package: str) -> list[str]:
    """Return the distributions that have a package, with their versions; none of the loop's own modules."""
    try:
        return [_with_version(DISTRIBUTIONS.get(package, package))]
    except PackageNotFoundError:
        return [_with_version(name) for name in packages_distributions().get(package, ())]


def _with_version(name: str) -> str:
    return f"{name}=={version(name).partition('+')[0]}"  # an index has 2.1.0, and not the local build 2.1.0+cpu
