"""An estimator that a step returns gets the signature of the columns that it was fitted on, where that is sure."""

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def frame():
    chance = np.random.default_rng(0)
    rows = pd.DataFrame({"id": np.arange(60), "x": chance.random(60), "n": chance.integers(0, 5, 60)})
    rows["label"] = (rows["x"] > 0.5).astype(int)
    rows.loc[3, "x"] = np.nan
    return rows


@pytest.fixture
def logged(monkeypatch):
    """Return what the client is called with."""
    import mlflow.sklearn

    mlflow.sklearn.autolog(disable=True, silent=True)  # it would log models of the tests themselves
    calls = []
    monkeypatch.setattr(mlflow.sklearn, "log_model", lambda estimator, **options: calls.append(options))
    return calls


def fitted(rows, columns):
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=3).fit(rows[columns], rows["label"])


def test_the_signature_has_the_columns_of_the_fit(frame, logged):
    from helicline.engine.estimator import log_estimator
    from helicline.sdk.handles import Table

    log_estimator(fitted(frame, ["n", "x"]), [Table.of({"other": [1]}), Table.of(frame)])
    signature = logged[0]["signature"]
    assert [(column.name, column.type.name) for column in signature.inputs] == [("n", "long"), ("x", "double")]
    assert signature.outputs is not None


@pytest.mark.parametrize(
    ("change", "printed"),
    [
        (lambda rows: rows.rename(columns={"x": "other"}), "without a signature"),
        (lambda rows: rows.assign(x="text"), "does not predict for the columns of its table"),
    ],
)
def test_where_it_is_not_sure_there_is_none_and_that_is_printed(frame, logged, capsys, change, printed):
    from helicline.engine.estimator import log_estimator
    from helicline.sdk.handles import Table

    log_estimator(fitted(frame, ["n", "x"]), [Table.of(change(frame))])
    assert logged[0]["signature"] is None
    assert printed in capsys.readouterr().out


def test_an_estimator_of_arrays_has_none(frame, logged, capsys):
    from sklearn.linear_model import LinearRegression

    from helicline.engine.estimator import log_estimator
    from helicline.sdk.handles import Table

    log_estimator(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), [Table.of(frame)])
    assert logged[0]["signature"] is None
    assert "without a signature" in capsys.readouterr().out
