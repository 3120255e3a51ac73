"""A fitted scikit-learn estimator that a step returns: logged by the stock client, with the columns of its table."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from typing import Any

from helicline.sdk.handles import Table

ANSWERS = 1000  # say what a model answers


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
    return mlflow.sklearn.log_model(estimator, name="model", signature=signature, **_saved_form(estimator))


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
    if types:
        print(f"saved by skops; trusted when it is loaded: {', '.join(types)}", flush=True)
    return {"skops_trusted_types": types}
