"""A small circle for the browser tests: flowers, an approval, and a rollout that waits for a person."""

import mlflow
from sklearn.linear_model import LogisticRegression

import helicline as hl

FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


@hl.step
def split(rows: hl.Table, *, every: int = 3) -> tuple[hl.Table, hl.Table]:
    """Rows for training, and every third row to judge by."""
    frame = rows.pandas().reset_index(drop=True)
    return frame[frame.index % every != 0], frame[frame.index % every == 0]


@hl.step
def train(data: hl.Table, *, c: float = 1.0) -> hl.Model:
    """A linear model, logged by the stock client's autologging."""
    rows = data.pandas()
    mlflow.sklearn.autolog(log_input_examples=True, silent=True)
    LogisticRegression(C=c, max_iter=500).fit(rows[FEATURES], rows["label"])
    return mlflow.last_logged_model()


@hl.step
def evaluate(model: hl.Model, holdout: hl.Table) -> hl.Metrics:
    """Accuracy on the rows that training never saw."""
    rows = holdout.pandas()
    return hl.Metrics(accuracy=float((model.load().predict(rows[FEATURES]) == rows["label"].to_numpy()).mean()))


@hl.pipeline
def flowers(rows: hl.Table = hl.dataset("flowers@main"), *, c: float = 1.0):
    data, holdout = split(rows)
    model = train(data, c=c)
    return hl.candidate(model, metrics=evaluate(model, holdout), holdout=holdout, reference=data)


loop = hl.Loop(
    "flowers",
    pipeline=flowers,
    gates=[hl.at_least("accuracy", 0.8), hl.compatible()],
    approval=hl.approval(role="approver", people=1),
    rollout=hl.canary(10, 50, 100, guard=hl.max_error_rate(0.5), min_requests=100_000, min_time="1h", max_time="2h"),
    monitors=[hl.drift(window="1s", min_rows=40)],
    triggers=[hl.every("week")],
)
