import json
import uuid

import pytest

from helicline.serving.assignment import key_hash
from helicline.serving.prediction_log import read as predictions
from helicline.serving.prediction_log import sql
from support.wait import wait_for

SUM = json.dumps({"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, 2.0]]}})


def predicted(client):
    return client.post("/endpoints/sums/invocations", content=SUM).headers["x-prediction-id"]


def labels(shared_harness, prediction_id):
    return wait_for(lambda: (f := predictions.find(shared_harness.home, prediction_id)) and f[0].labels, "the labels")


@pytest.mark.parametrize(("value", "text"), [("churned", "churned"), (1, "1"), (0.5, "0.5"), (True, "true")])
def test_feedback_of_every_type_joins_its_prediction(shared_harness, client, value, text):
    prediction_id = predicted(client)
    answer = client.post("/v1/feedback", json={"prediction_id": prediction_id, "name": "outcome", "value": value})
    assert (answer.status_code, answer.json()) == (202, {"prediction_id": prediction_id, "status": "accepted"})
    assert labels(shared_harness, prediction_id) == {"outcome": text}


def test_the_last_value_of_a_repeated_name_wins(shared_harness, client):
    prediction_id = predicted(client)
    for value in (1, 2, 3):
        client.post("/v1/feedback", json={"prediction_id": prediction_id, "name": "outcome", "value": value})
    wait_for(lambda: labels(shared_harness, prediction_id) == {"outcome": "3"}, "the last value")


def test_a_batch_says_of_every_line_what_became_of_it(client):
    prediction_id = predicted(client)
    good = {"prediction_id": prediction_id, "name": "a", "value": 1, "ts": "2026-01-05T09:00:00Z", "row": 0}
    lines = [json.dumps(good), "{}", json.dumps({**good, "name": "b", "ts": 1767603600000}), "not json"]
    answer = client.post("/v1/feedback:batch", content="\n".join(lines))
    assert answer.status_code == 202
    results = [json.loads(line)["status"] for line in answer.text.splitlines()]
    assert results == ["accepted", "error", "accepted", "error"]


def test_a_batch_has_at_most_ten_thousand_lines(client):
    assert client.post("/v1/feedback:batch", content=b"{}\n" * 10_001).status_code == 400
    assert client.post("/v1/feedback:batch", content=b"").status_code == 400


def test_feedback_for_a_prediction_nobody_knows_is_kept_apart(shared_harness, client):
    strange = f"strange-{uuid.uuid4().hex}"
    assert client.post("/v1/feedback", json={"prediction_id": strange, "name": "x", "value": 1}).status_code == 202
    wait_for(lambda: list((shared_harness.home / "tables/labels/deployment=_unknown").rglob("*.parquet")), "the labels")


def logged(shared_harness, table, deployment="sums"):
    folder = shared_harness.home / "tables" / table / f"deployment={deployment}"
    files = list(folder.rglob("*.parquet"))
    columns = sql.fetch(f"SELECT * FROM {sql.parquet(files)}") if files else {}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def test_feedback_on_a_unit_is_logged_under_the_hash_that_its_calls_have(shared_harness, client):
    unit = f"zoë-{uuid.uuid4().hex}"
    headers = {"x-assignment-key": unit.encode()}
    call = client.post("/endpoints/sums/invocations", content=SUM, headers=headers).headers["x-prediction-id"]
    body = {"unit": unit, "deployment": "sums", "name": "bought", "value": 3.5, "ts": "2026-01-05T09:00:00Z"}
    answer = client.post("/v1/feedback", json=body)
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
    hashed = key_hash(unit, "sums")
    (label,) = wait_for(
        lambda: [row for row in logged(shared_harness, "labels") if row["unit_key_hash"] == hashed], "the label"
    )
    assert (label["prediction_id"], label["value"], label["event_id"]) == ("", "3.5", "1767603600000000")
    (line,) = wait_for(
        lambda: [row for row in logged(shared_harness, "predictions") if row["prediction_id"] == call], "the call"
    )
    assert (line["unit_key_hash"], line["point"]) == (hashed, -1)


def test_a_call_without_a_key_is_a_unit_of_its_own(shared_harness, client):
    call = predicted(client)
    (line,) = wait_for(
        lambda: [row for row in logged(shared_harness, "predictions") if row["prediction_id"] == call], "the call"
    )
    assert line["unit_key_hash"] == ""


@pytest.mark.parametrize(
    "change",
    [
        {"unit": "ada"},
        {"prediction_id": "", "unit": ""},
        {"prediction_id": "", "unit": "x" * 1001, "deployment": "sums"},
        {"prediction_id": "", "unit": True},
        {"idempotency_key": "x" * 251},
        {"value": None},
        {"value": [1]},
        {"value": {"a": 1}},
        {"row": -1},
        {"row": 1.5},
        {"prediction_id": ""},
        {"prediction_id": 7},
        {"name": ""},
        {"name": "x" * 300},
        {"ts": "yesterday"},
        {"ts": -5},
        {"deployment": "nobody"},
        {"deployment": "../../etc"},
    ],
)
def test_feedback_that_makes_no_sense_is_refused(client, change):
    body = {"prediction_id": "p", "name": "label", "value": 1, **change}
    answer = client.post("/v1/feedback", json=body)
    assert answer.status_code == 400
    assert "error" in answer.json()


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"prediction_id":"\\ud800","name":"x","value":1}', b"\xff\xfe", b"[" * 100_000],
)
def test_feedback_that_is_not_json_is_refused(client, body):
    assert client.post("/v1/feedback", content=body).status_code == 400
