"""Usual bodies are decoded straight to records; anything else is left to the careful way."""

import json

import pytest

from helicline.protocol.mlflow.metric.points import log_batch_of, log_metric_of

RUN = "0" * 32
POINT = {"key": "loss", "value": 0.5, "timestamp": 7, "step": 3}


def test_what_the_stock_client_sends_is_usual():
    parsed = log_metric_of(json.dumps(POINT | {"run_id": RUN, "run_uuid": RUN}).encode())
    assert (parsed.run_id, parsed.key, parsed.value, parsed.timestamp_ms, parsed.step) == (RUN, "loss", 0.5, 7, 3)


def test_a_batch_of_points_is_usual():
    parsed = log_batch_of(json.dumps({"run_id": RUN, "metrics": [POINT] * 3, "params": [], "tags": []}).encode())
    assert [point.timestamp_ms for point in parsed.metrics] == [7, 7, 7]


UNUSUAL = [{"value": "NaN"}, {"timestamp": "7"}, {"modelId": "m-1"}, {"model_id": "m-1"}, {"key": ""}, {"step": None}]


@pytest.mark.parametrize("change", UNUSUAL)
def test_what_is_unusual_is_left_alone(change):
    assert log_metric_of(json.dumps(POINT | {"run_id": RUN} | change).encode()) is None
    assert log_batch_of(json.dumps({"run_id": RUN, "metrics": [POINT | change]}).encode()) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"run_id": "../x", "metrics": []}', b"[" * 5000])
def test_what_is_no_batch_is_left_alone(body):
    assert (log_batch_of(body), log_metric_of(body)) == (None, None)
