"""A recommender's loop: events of a shop, a model of our own that answers a list of items, and gates for rankings."""

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

import helicline as hl

TOP = 10
HOLDOUT_DAYS = 7


class ItemToItem(mlflow.pyfunc.PythonModel):
    """Answers each user with the items that go with what the user looked at; with the popular ones for strangers."""

    def fit(self, rows: pd.DataFrame, *, neighbours: int) -> "ItemToItem":
        items, users = pd.Categorical(rows["item"]), pd.Categorical(rows["user"])
        counts = np.zeros((len(users.categories), len(items.categories)))
        np.add.at(counts, (users.codes, items.codes), np.where(rows["kind"] == "buy", 3.0, 1.0))
        norms = np.linalg.norm(counts, axis=0)
        likeness = (counts.T @ counts) / np.outer(norms, norms)
        np.fill_diagonal(likeness, 0.0)
        weakest = np.sort(likeness, axis=1)[:, -neighbours][:, None] if neighbours else np.inf
        likeness[likeness < weakest] = 0.0
        popularity = counts.sum(axis=0) / counts.sum()
        scores = np.log1p(counts) @ likeness + popularity
        best = np.argsort(-scores, axis=1)[:, :TOP]
        names = np.asarray(items.categories)
        self.lists = {int(user): names[row].tolist() for user, row in zip(users.categories, best, strict=True)}
        self.popular = names[np.argsort(-popularity)[:TOP]].tolist()
        return self

    def predict(self, context, model_input: pd.DataFrame, params=None) -> list[list[str]]:
        """Return ten items for each user, the best first."""
        return [self.lists.get(int(user), self.popular) for user in model_input["user"]]


@hl.step
def split(events: hl.Table) -> tuple[hl.Table, hl.Table]:
    """The events before the last week, and for each user of that week the items that he turned to."""
    rows = events.pandas()
    last_week = rows["at"] > rows["at"].max() - pd.Timedelta(days=HOLDOUT_DAYS)
    relevant = rows[last_week].groupby("user")["item"].agg(lambda items: sorted(set(items)))
    return rows[~last_week], relevant.reset_index(name="label")


@hl.step
def train(events: hl.Table, *, neighbours: int = 20) -> hl.Model:
    """The model of our own class, logged by the stock MLflow client; without neighbours it knows what is popular."""
    model = ItemToItem().fit(events.pandas(), neighbours=neighbours)
    signature = ModelSignature(inputs=Schema([ColSpec("long", "user")]))
    return mlflow.pyfunc.log_model(name="model", python_model=model, signature=signature, pip_requirements=["pandas"])


@hl.pipeline
def recommend(events: hl.Table = hl.dataset("events@main")):
    learned, relevant = split(events)
    return hl.candidate(train(learned), holdout=relevant)


loop = hl.Loop(
    "recommender",
    pipeline=recommend,
    contract=hl.contract(
        "events",
        columns={"event_id": "numbers", "at": "times", "user": "numbers", "item": "text", "kind": "text"},
        nulls={"user": 0.0, "item": 0.0, "at": 0.0},
        ranges={"price": (0.0, 500.0)},
        allowed={"kind": ["view", "buy"]},
        unique=["event_id"],
    ),
    gates=[
        hl.at_least("recall@10", 0.2),
        hl.at_least("ndcg@10", 0.2),
        hl.not_worse("ndcg@10", margin=0.005),
        hl.compatible(),
    ],
    # windows of days where it is not a story; what counts is what users do, and only buyers tell
    outcomes=[hl.outcome("conversion", window="2s", per="user", missing=0)],
    rollout=hl.ab(
        50,
        outcome="conversion",
        guard=[hl.must_not_drop("conversion", by=0.05), hl.max_error_rate(0.05)],
        at_least="5s",
        at_most="3m",
    ),
    monitors=[hl.watch("conversion", drop=0.05, for_="10m", roll_back=True)],
    triggers=[hl.every("week", timezone="Europe/Vienna")],
)
