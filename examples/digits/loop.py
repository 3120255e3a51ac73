"""The circle for one model that reads handwritten digits."""

import mlflow
import pandas as pd
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import helicline as hl

PIXELS = [f"p{row}{column}" for row in range(8) for column in range(8)]


@hl.step
def split(scans: hl.Table, *, holdout_share: float = 0.3, recent: int = 200) -> tuple[hl.Table, hl.Table, hl.Table]:
    """Rows for training, rows that no training ever sees, and the newest rows (what traffic looks like now)."""
    rows = scans.pandas()
    # a row's own content decides, so that a row of an earlier hold-out never slips into a later training
    share = pd.util.hash_pandas_object(rows[PIXELS].astype(float), index=False).to_numpy() / 2.0**64
    in_holdout = share < holdout_share
    return rows[~in_holdout], rows[in_holdout], rows.tail(recent)


@hl.step
def acceptance(archive: hl.Table, *, per_digit: int = 12) -> hl.Table:
    """Scans of the first days, the same number of each digit: whatever happens, these must still be read."""
    return archive.pandas().groupby("label", group_keys=False).head(per_digit)


@hl.step(retries=1, timeout="5m")
def train(data: hl.Table, *, c: float = 0.1, seed: int = 0) -> hl.Model:
    """A linear model, logged by the stock MLflow client's autologging."""
    rows = data.pandas()
    mlflow.sklearn.autolog(log_models=False, silent=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=400, random_state=seed))
    model.fit(rows[PIXELS], rows["label"])
    return mlflow.sklearn.log_model(
        model,
        name="model",
        signature=mlflow.models.infer_signature(rows[PIXELS], model.predict(rows[PIXELS])),
        input_example=rows[PIXELS].head(3),
        pip_requirements=[f"scikit-learn=={sklearn.__version__}", f"pandas=={pd.__version__}"],
    )


@hl.step
def evaluate(model: hl.Model, holdout: hl.Table, classic: hl.Table) -> hl.Metrics:
    """Accuracy on the rows that training never saw, and on the acceptance scans."""
    loaded = model.load()

    def accuracy(rows: pd.DataFrame) -> float:
        return float((loaded.predict(rows[PIXELS]) == rows["label"].to_numpy()).mean())

    return hl.Metrics(accuracy=accuracy(holdout.pandas()), accuracy_classic=accuracy(classic.pandas()))


@hl.pipeline
def digits(
    scans: hl.Table = hl.dataset("digits@main"),
    archive: hl.Table = hl.dataset("digits-archive@main"),
    *,
    c: float = 0.1,
):
    data, holdout, recent = split(scans)
    classic = acceptance(archive)
    model = train(data, c=c)
    return hl.candidate(model, metrics=evaluate(model, holdout, classic), holdout=holdout, reference=recent)


loop = hl.Loop(
    "digits",
    pipeline=digits,
    gates=[
        hl.at_least("accuracy", 0.85),
        hl.at_least("accuracy_classic", 0.85),
        hl.not_worse("accuracy", than="champion", margin=0.01),
        hl.compatible(),
        hl.latency(p99_ms=100),
    ],
    rollout=hl.canary(
        10,
        50,
        100,
        guard=[hl.must_not_drop("accuracy", by=0.05), hl.max_error_rate(0.02)],
        min_requests=40,
        min_time="1s",
        max_time="10m",
    ),
    monitors=[
        hl.drift(window="2s", min_rows=200),
        hl.performance("accuracy", at_least=0.8, window="2s", min_rows=100),
    ],
    triggers=[hl.on_alert(cool_down="20s"), hl.every("week")],
)
