"""Outcomes of many predictions from a table, through the server that knows the gateway, and the gateway itself."""

import json

import pandas as pd
import pytest

from helicline.errors import Invalid, NotFound
from helicline.records.deployment import Deployment, Observed
from helicline.sdk import feedback
from helicline.serving import deployments
from helicline.serving.assignment import key_hash
from helicline.serving.prediction_log import read as predictions
from helicline.serving.prediction_log import sql
from helicline.store import nouns
from support.live_server import make_context, running_server
from support.wait import wait_for

SUM = json.dumps({"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, 2.0], [3.0, 4.0]]}})


@pytest.fixture
def served(shared_harness, tmp_path, monkeypatch):
    """A server whose gateway is the shared one."""
    context = make_context(tmp_path)

    def unit(tx):
        for name in ("sums", "other"):
            nouns.DEPLOYMENTS.insert(tx, Deployment(name=name, model=name, created_at=tx.now, updated_at=tx.now))
        observed = Observed(
            gateway="g",
            session="s",
            pid=1,
            generation=0,
            address=str(shared_harness.client.base_url),
            revisions=(),
            counts=(),
        )
        deployments.observe(tx, observed)

    context.store.write(unit)
    with running_server(context) as client:
        monkeypatch.setenv("HELICLINE_URL", str(client.base_url))
        monkeypatch.setenv("HELICLINE_TOKEN", client.headers["authorization"].removeprefix("Bearer "))
        yield shared_harness


def predicted(harness):
    answer = harness.client.post("/endpoints/sums/invocations", content=SUM)
    return answer.headers["x-prediction-id"]


def labels(harness, prediction_id):
    def joined():
        rows = predictions.find(harness.home, prediction_id)
        return [row.labels for row in rows] if rows and all(row.labels for row in rows) else None

    return wait_for(joined, "the labels")


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl", "frame"])
def test_outcomes_of_every_form_of_table_join_their_predictions(served, tmp_path, form):
    prediction_id, when = predicted(served), pd.Timestamp("2026-03-01T12:00:00Z")
    frame = pd.DataFrame({"prediction_id": prediction_id, "row": [0, 1], "churned": [1, 0], "day": when})
    path = tmp_path / f"labels.{form}"
    writers = {"parquet": frame.to_parquet, "csv": lambda path: frame.to_csv(path, index=False)}
    if form != "frame":
        writers.get(form, lambda path: frame.to_json(path, orient="records", lines=True, date_format="iso"))(path)
    source = frame if form == "frame" else path
    loaded = feedback.load(source, deployment="sums", name="outcome", value="churned", time_column="day")
    assert loaded == feedback.Loaded(accepted=2)
    assert labels(served, prediction_id) == [{"outcome": "1"}, {"outcome": "0"}]


def test_a_day_is_a_time(served, tmp_path):
    """A column of days in a CSV file is what people have; the gateway takes times."""
    path = tmp_path / "labels.csv"
    path.write_text(f"prediction_id,row,label,day\n{predicted(served)},0,1,2026-03-01\n")
    assert feedback.load(path, deployment="sums", time_column="day") == feedback.Loaded(accepted=1)


def test_rows_without_an_outcome_are_left_out_and_a_bad_row_stops_none_of_its_neighbours(served):
    prediction_id, progress = predicted(served), []
    table = {
        "prediction_id": [prediction_id, "x" * 200, prediction_id, "y" * 200],
        "row": [0, 0, 1, 0],
        "label": [1.0, 1.0, 0.0, None],
    }
    loaded = feedback.load(table, deployment="sums", progress=lambda *sent: progress.append(sent))
    assert (loaded.accepted, loaded.without_value, loaded.refused) == (2, 1, 1)
    assert loaded.refusals == (feedback.Refusal(2, "prediction_id: at most 128 characters, unit: at most 1000"),)
    assert progress == [(4, 4)]
    assert labels(served, prediction_id) == [{"label": "1.0"}, {"label": "0.0"}]


def test_one_row_number_that_is_none_refuses_its_own_row_only(served, tmp_path):
    prediction_id = predicted(served)
    path = tmp_path / "labels.csv"
    path.write_text(f"prediction_id,row,label\n{prediction_id},0,1\n{prediction_id},second,1\n{prediction_id},1,0\n")
    loaded = feedback.load(path, deployment="sums")
    assert (loaded.accepted, [refusal.row for refusal in loaded.refusals]) == (2, [2])
    assert labels(served, prediction_id) == [{"label": "1"}, {"label": "0"}]


def test_orders_of_users_are_feedback_on_units(served, tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("user_id,amount,order_id,at\n7,19.5,o1,2026-03-01 12:00:00\n8,,o2,2026-03-01\n,3,o3,2026-03-01\n")
    loaded = feedback.load(
        path, deployment="sums", name="revenue", unit="user_id", value="amount", event="order_id", time_column="at"
    )
    assert (loaded.accepted, loaded.without_value) == (1, 1)
    assert loaded.refusals == (feedback.Refusal(3, "prediction_id, unit: one of them"),)
    folder = served.home / "tables" / "labels" / "deployment=sums"
    hashed = key_hash("7", "sums")
    query = "SELECT value, event_id FROM {} WHERE unit_key_hash = '{}'"

    def rows():
        files = list(folder.rglob("*.parquet"))
        columns = sql.fetch(query.format(sql.parquet(files), hashed)) if files else {"value": [], "event_id": []}
        return list(zip(columns["value"], columns["event_id"], strict=True))

    assert wait_for(rows, "the order") == [("19.5", "o1")]


def test_units_in_a_column_with_gaps_keep_their_names(served):
    table = pd.DataFrame({"user": [7, None], "label": [1, None]})  # a gap makes the column floats
    assert feedback.load(table, deployment="sums", unit="user") == feedback.Loaded(accepted=1, without_value=1)
    with pytest.raises(Invalid, match="--unit user_id"):
        feedback.load(pd.DataFrame({"user": [7], "label": [1]}), deployment="sums")


def test_row_numbers_that_became_floats_are_whole_numbers(served):
    prediction_id = predicted(served)
    table = pd.DataFrame({"prediction_id": prediction_id, "row": [0, 1, None], "label": [1, 0, None]})
    assert feedback.load(table, deployment="sums") == feedback.Loaded(accepted=2, without_value=1)


def test_many_rows_are_sent_in_batches_that_count_up(served):
    prediction_id, progress = predicted(served), []
    count = 2 * feedback.BATCH + 10
    table = {"prediction_id": [prediction_id] * count, "row": list(range(count)), "label": [1] * count}
    assert feedback.load(table, deployment="sums", progress=lambda *sent: progress.append(sent)).accepted == count
    assert [sent for sent, _ in progress] == [feedback.BATCH, 2 * feedback.BATCH, count]


@pytest.mark.parametrize(
    ("source", "options", "kind", "words"),
    [
        ({"id": ["a"], "label": [1]}, {"deployment": "sums"}, Invalid, "a column 'prediction_id'"),
        ({"prediction_id": ["a"], "x": [1]}, {"deployment": "sums"}, Invalid, "--value"),
        ({"prediction_id": ["a"], "x": [1]}, {"deployment": "sums", "value": "z"}, Invalid, "a column 'z'"),
        ({"prediction_id": ["a"], "label": [1]}, {}, Invalid, "--deployment with one of other, sums"),
        ({"prediction_id": ["a"], "label": [1]}, {"deployment": "none"}, NotFound, "other, sums"),
        ("nowhere.parquet", {"deployment": "sums"}, NotFound, "Say where the labels are"),
        (__file__, {"deployment": "sums"}, Invalid, ".parquet, .csv"),
    ],
)
def test_what_cannot_be_loaded_is_refused_by_name(served, source, options, kind, words):
    with pytest.raises(kind) as refused:
        feedback.load(source, **options)
    assert words in f"{refused.value} {getattr(refused.value, 'hint', '')}"
