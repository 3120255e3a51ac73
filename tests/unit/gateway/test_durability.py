import json
import subprocess
import sys
import time

from helicline.serving.prediction_log import read as predictions
from stand import wait_for

SUM = json.dumps({"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, 2.0]]}})


def ask(stand, count, body=SUM):
    return [stand.client.post("/invocations", content=body).headers["x-prediction-id"] for _ in range(count)]


def logged(stand, deployment="d"):
    return [row.prediction_id for row in predictions.recent(stand.home, deployment, 10_000)]


def test_a_restarted_gateway_serves_from_its_routing_page_without_the_server(stand):
    stand.deploy("d", "sums")
    assert stand.gateway.stop() == 0
    stand.plane.stop()
    restarted = stand.restart()
    wait_for(lambda: restarted.client.get("/ping").status_code == 200, "the model to load again")
    assert restarted.client.post("/invocations", content=SUM).json() == {"predictions": [3.0]}


def test_serving_goes_on_while_the_server_is_away_and_follows_it_when_it_is_back(stand):
    stand.deploy("d", "sums")
    stand.plane.stop()
    assert stand.client.post("/invocations", content=SUM).status_code == 200
    stand.plane.start()
    stand.deploy("e", "picky")
    assert stand.client.post("/endpoints/e/invocations", content=SUM).status_code == 200


def test_every_answered_row_is_in_the_log_after_a_graceful_stop(stand):
    stand.deploy("d", "sums")
    ids = ask(stand, 300)
    two = json.dumps({"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, 2.0], [3.0, 4.0]]}})
    ids += [made for made in ask(stand, 20, two) for _ in range(2)]
    assert stand.gateway.stop() == 0
    assert sorted(logged(stand)) == sorted(ids)
    assert list((stand.home / "log").iterdir()) == []


def test_rows_that_were_flushed_survive_kill_9_of_the_gateway(stand):
    stand.deploy("d", "sums")
    ids = ask(stand, 200)
    time.sleep(0.4)
    stand.gateway.kill()
    stand.restart()
    wait_for(lambda: len(logged(stand)) >= len(ids), "the leftover segment to be sealed")
    stand.gateway.stop()
    assert sorted(logged(stand)) == sorted(ids)


def test_feedback_that_was_acknowledged_survives_kill_9(stand):
    stand.deploy("d", "sums")
    (made,) = ask(stand, 1)
    time.sleep(0.3)
    sent = {"prediction_id": made, "name": "label", "value": "yes"}
    assert stand.client.post("/v1/feedback", json=sent).status_code == 202
    stand.gateway.kill()
    stand.restart()
    found = wait_for(lambda: predictions.find(stand.home, made), "the prediction")
    wait_for(lambda: predictions.find(stand.home, made)[0].labels == {"label": "yes"}, "the label")
    assert found[0].features == {"a": 1.0, "b": 2.0}


def test_the_log_says_who_was_assigned_who_served_and_why(stand):
    stand.deploy("d", "sums", "broken", weight_bp=10_000, rollout=4, stage=1)
    (made,) = ask(stand, 1)
    (row,) = wait_for(lambda: predictions.find(stand.home, made), "the row")
    assert (row.variant, row.revision, row.served_by, row.fallback_reason) == ("candidate", 2, 1, "error")
    assert (row.rollout, row.stage, row.status, row.prediction) == (4, 1, 200, "3.0")


def test_a_client_may_choose_the_prediction_id(stand):
    stand.deploy("d", "sums")
    stand.client.post("/invocations", content=SUM, headers={"x-prediction-id": "order-17"})
    (row,) = wait_for(lambda: predictions.find(stand.home, "order-17"), "the row")
    assert row.prediction == "3.0"
    assert stand.client.post("/invocations", content=SUM, headers={"x-prediction-id": "a b"}).status_code == 400


def test_a_second_gateway_in_the_same_home_does_not_start(stand):
    command = [sys.executable, "-m", "helicline.gateway", "--home", str(stand.home), "--port", "0"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert "another gateway already serves" in second.stderr
