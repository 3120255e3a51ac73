import contextlib
import json
import subprocess
import sys

from helicline.serving.prediction_log import read as predictions
from support.wait import wait_for

SUM = json.dumps({"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, 2.0]]}})


def ask(harness, count, body=SUM):
    return [harness.client.post("/invocations", content=body).headers["x-prediction-id"] for _ in range(count)]


def logged(harness, deployment="d"):
    return [row.prediction_id for row in predictions.recent(harness.home, deployment, 10_000)]


def wait_until_flushed(harness, prediction_id):
    """Wait until a row has left the memory of the gateway: it is in a segment, or in the sealed log."""

    def is_in_a_segment():
        with contextlib.suppress(FileNotFoundError):  # the sealer removes segments meanwhile
            return any(prediction_id.encode() in path.read_bytes() for path in (harness.home / "log").glob("*.*"))

    wait_for(lambda: is_in_a_segment() or prediction_id in logged(harness), "the flush of the row")


def test_a_restarted_gateway_serves_from_its_routing_page_without_the_server(harness):
    harness.deploy("d", "sums")
    assert harness.gateway.stop() == 0
    harness.plane.stop()
    restarted = harness.restart()
    wait_for(lambda: restarted.client.get("/ping").status_code == 200, "the model to load again")
    assert restarted.client.post("/invocations", content=SUM).json() == {"predictions": [3.0]}


def test_serving_goes_on_while_the_server_is_away_and_follows_it_when_it_is_back(harness):
    harness.deploy("d", "sums")
    harness.plane.stop()
    assert harness.client.post("/invocations", content=SUM).status_code == 200
    harness.plane.start()
    harness.deploy("e", "picky")
    assert harness.client.post("/endpoints/e/invocations", content=SUM).status_code == 200


def test_every_answered_row_is_in_the_log_after_a_graceful_stop(harness):
    harness.deploy("d", "sums")
    ids = ask(harness, 300)
    two = json.dumps({"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, 2.0], [3.0, 4.0]]}})
    ids += [prediction_id for prediction_id in ask(harness, 20, two) for _ in range(2)]
    assert harness.gateway.stop() == 0
    assert sorted(logged(harness)) == sorted(ids)
    assert list((harness.home / "log").iterdir()) == []


def test_rows_that_were_flushed_survive_kill_9_of_the_gateway(harness):
    harness.deploy("d", "sums")
    ids = ask(harness, 200)
    wait_until_flushed(harness, ids[-1])
    harness.gateway.kill()
    harness.restart()
    wait_for(lambda: len(logged(harness)) >= len(ids), "the leftover segment to be sealed")
    harness.gateway.stop()
    assert sorted(logged(harness)) == sorted(ids)


def test_feedback_that_was_acknowledged_survives_kill_9(harness):
    harness.deploy("d", "sums")
    (prediction_id,) = ask(harness, 1)
    wait_until_flushed(harness, prediction_id)
    sent = {"prediction_id": prediction_id, "name": "label", "value": "yes"}
    assert harness.client.post("/v1/feedback", json=sent).status_code == 202
    harness.gateway.kill()
    harness.restart()
    rows = wait_for(lambda: predictions.find(harness.home, prediction_id), "the prediction")
    wait_for(lambda: predictions.find(harness.home, prediction_id)[0].labels == {"label": "yes"}, "the label")
    assert rows[0].features == {"a": 1.0, "b": 2.0}


def test_the_log_says_who_was_assigned_who_served_and_why(harness):
    harness.deploy("d", "sums", "broken", weight_bp=10_000, rollout=4, stage=1)
    (prediction_id,) = ask(harness, 1)
    (row,) = wait_for(lambda: predictions.find(harness.home, prediction_id), "the row")
    assert (row.variant, row.revision, row.served_by, row.fallback_reason) == ("candidate", 2, 1, "error")
    assert (row.rollout, row.stage, row.status, row.prediction) == (4, 1, 200, "3.0")


def test_a_client_may_choose_the_prediction_id(harness):
    harness.deploy("d", "sums")
    harness.client.post("/invocations", content=SUM, headers={"x-prediction-id": "order-17"})
    (row,) = wait_for(lambda: predictions.find(harness.home, "order-17"), "the row")
    assert row.prediction == "3.0"
    assert harness.client.post("/invocations", content=SUM, headers={"x-prediction-id": "a b"}).status_code == 400


def test_a_second_gateway_in_the_same_home_does_not_start(harness):
    command = [sys.executable, "-m", "helicline.gateway", "--home", str(harness.home), "--port", "0"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert "another gateway already serves" in second.stderr
