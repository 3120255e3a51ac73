"""The circle for a churn model on a table as companies have it: an id, dates, categories, gaps, late labels."""

import cloudpickle
import mlflow
import numpy as np
import pandas as pd
import sklearn
from customers import INPUTS, LABEL
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import helicline as hl

NUMBERS, CATEGORIES = ["tenure_months", "monthly_fee", "support_calls"], ["plan", "region"]
LABEL_DELAY = "6s"  # a month in the example's time


class ChurnModel(mlflow.pyfunc.PythonModel):
    """A model of our own: it takes the table as it is, and leaves out what says nothing."""

    def fit(self, rows: pd.DataFrame) -> "ChurnModel":
        columns = make_column_transformer(
            (SimpleImputer(strategy="median"), NUMBERS), (OneHotEncoder(handle_unknown="ignore"), CATEGORIES)
        )
        self.model = make_pipeline(columns, RandomForestClassifier(80, min_samples_leaf=5, random_state=0))
        self.model.fit(rows[NUMBERS + CATEGORIES], rows[LABEL])
        return self

    def predict(self, context, model_input: pd.DataFrame, params=None) -> np.ndarray:
        """Return 1 for each customer who is likely to leave, else 0."""
        return self.model.predict(model_input[NUMBERS + CATEGORIES]).astype(int)


@hl.step
def split(customers: hl.Table, *, holdout_share: float = 0.3) -> tuple[hl.Table, hl.Table]:
    """Rows for training, and rows that no training ever sees: a customer is always on one side."""
    rows = customers.pandas().tail(3000)  # who left long ago says little
    share = pd.util.hash_pandas_object(rows["customer_id"].astype("int64"), index=False).to_numpy() / 2.0**64
    return rows[share >= holdout_share], rows[share < holdout_share]


@hl.step(retries=1, timeout="5m")
def train(data: hl.Table) -> hl.Model:
    """Our own class, logged by the stock MLflow client; without an input example."""
    rows = typed(data.pandas())
    model = ChurnModel().fit(rows)
    inputs = rows[list(INPUTS)]
    return mlflow.pyfunc.log_model(
        name="model",
        python_model=model,
        signature=mlflow.models.infer_signature(inputs, model.predict(None, inputs)),
        pip_requirements=[
            f"{package.__name__.replace('sklearn', 'scikit-learn')}=={package.__version__}"
            for package in (sklearn, pd, cloudpickle)
        ],
    )


def typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with the types that the model is called with, whatever file they came from."""
    return rows.assign(
        signup=pd.to_datetime(rows["signup"], format="mixed", utc=True).dt.tz_localize(None).astype("datetime64[us]"),
        support_calls=rows["support_calls"].astype("int64"),
        customer_id=rows["customer_id"].astype("int64"),
    )


@hl.pipeline
def churn(customers: hl.Table = hl.dataset("customers@main")):
    data, holdout = split(customers)
    model = train(data)
    return hl.candidate(model, holdout=holdout, reference=data, label=LABEL)


loop = hl.Loop(
    "churn",
    pipeline=churn,
    gates=[hl.at_least("accuracy", 0.75), hl.not_worse("accuracy", than="champion", margin=0.01), hl.compatible()],
    rollout=hl.canary(20, 100, guard=[hl.max_error_rate(0.02)], min_requests=30, min_time="1s", max_time="10m"),
    monitors=[
        hl.drift(window="2s", min_rows=200),
        hl.quality(window="2s", min_rows=200),
        hl.performance("accuracy", at_least=0.75, window="2s", min_rows=150, label_delay=LABEL_DELAY),
    ],
    triggers=[hl.on_alert("performance", cool_down="5s")],
)
