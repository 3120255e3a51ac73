"""The same bodies to MLflow's own scoring server and to the gateway: statuses and parsed answers agree."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.gateway_harness import models

IRIS = ["sl", "sw", "pl", "pw"]
ROW, OTHER = [5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]
RECORD = dict(zip(IRIS, ROW, strict=True))
PLAN = {"plan": "pro", "age": 41, "spend": 20.0}
J, CSV = "application/json", "text/csv"


@pytest.fixture(scope="module")
def stock():
    script = Path(__file__).with_name("reference_server.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(models())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )

    def ask(model, kind, body):
        process.stdin.write(json.dumps({"model": model, "type": kind, "body": base64.b64encode(body).decode()}) + "\n")
        process.stdin.flush()
        line = next(line for line in process.stdout if line.startswith("@"))
        return json.loads(line[1:])

    yield ask
    process.stdin.close()
    process.wait(30)
    process.stdout.close()


GOOD = [
    ("iris", {"dataframe_split": {"columns": IRIS, "data": [ROW]}}),
    ("iris", {"dataframe_split": {"columns": IRIS, "data": [ROW, OTHER], "index": [7, 9]}}),
    ("iris", {"dataframe_split": {"columns": IRIS[::-1], "data": [ROW[::-1], OTHER[::-1]]}}),
    ("iris", {"dataframe_split": {"columns": [*IRIS, "extra"], "data": [[*ROW, 1]]}}),
    ("iris", {"dataframe_records": [RECORD, RECORD]}),
    ("iris", {"dataframe_records": [{**RECORD, "extra": "x"}]}),
    ("iris", {"dataframe_records": [{name: 1 for name in IRIS}]}),
    ("iris", {"inputs": {name: [value] for name, value in RECORD.items()}}),
    ("iris", {"inputs": [RECORD]}),
    ("iris", {"instances": [RECORD, RECORD]}),
    ("iris", {"dataframe_split": {"columns": IRIS, "data": [ROW]}, "other": 1}),
    ("iris", {"dataframe_split": {"columns": IRIS, "data": [ROW]}, "params": {}}),
    ("iris", {"dataframe_split": {"columns": IRIS, "data": [["5.1", "3.5", "1.4", "0.2"]]}}),
    ("tensor", {"inputs": [ROW, OTHER]}),
    ("tensor", {"instances": [ROW]}),
    ("tensor", {"inputs": [[1, 2, 3, 4]]}),
    ("mixed", {"dataframe_records": [PLAN, {**PLAN, "plan": "never seen"}]}),
    ("mixed", {"dataframe_split": {"columns": list(PLAN), "data": [list(PLAN.values())]}}),
    ("unsigned", {"dataframe_split": {"columns": IRIS, "data": [ROW]}}),
    ("unsigned", {"inputs": [ROW, OTHER]}),
    ("sums", {"dataframe_split": {"columns": ["a", "b"], "data": [[1.5, 2], [0, 0]]}}),
]
BAD = [
    ("iris", J, b""),
    ("iris", J, b"{"),
    ("iris", J, b"[1, 2]"),
    ("iris", J, b'"text"'),
    ("iris", J, b"null"),
    ("iris", J, b"\xff\xfe{}"),
    ("iris", J, b"{}"),
    ("iris", J, b'{"rows": []}'),
    ("iris", J, json.dumps({"inputs": [ROW], "instances": [ROW]}).encode()),
    ("iris", J, json.dumps({"dataframe_split": {"columns": IRIS, "data": [ROW[:3]]}}).encode()),
    ("iris", J, json.dumps({"dataframe_split": {"columns": IRIS[:3], "data": [ROW[:3]]}}).encode()),
    ("iris", J, json.dumps({"dataframe_split": {"columns": IRIS, "data": [[*ROW[:3], "x"]]}}).encode()),
    ("iris", J, json.dumps({"dataframe_split": {"columns": IRIS, "rows": [ROW]}}).encode()),
    ("iris", J, json.dumps({"dataframe_split": [ROW]}).encode()),
    ("iris", J, json.dumps({"dataframe_records": RECORD}).encode()),
    ("iris", J, json.dumps({"inputs": [[ROW]]}).encode()),
    ("iris", J, b'{"dataframe_split": {"columns": ["sl","sw","pl","pw"], "data": [[NaN, 1, 2, 3]]}}'),
    ("iris", J, b'{"dataframe_split": {"columns": ["sl","sw","pl","pw"], "data": [[Infinity, 1, 2, 3]]}}'),
    ("iris", J, b'{"dataframe_split": {"columns": ["sl","sw","pl","pw"], "data": [[null, 1, 2, 3]]}}'),
    ("tensor", J, b'{"inputs": [[1, 2, 3]]}'),
    ("tensor", J, b'{"inputs": [["a", "b", "c", "d"]]}'),
    ("mixed", J, json.dumps({"dataframe_records": [{**PLAN, "age": "old"}]}).encode()),
    ("mixed", J, json.dumps({"dataframe_records": [{"plan": "pro"}]}).encode()),
    ("iris", "text/plain", b"x"),
    ("iris", "application/json; charset=latin-1", b"{}"),
    ("iris", "application/json; version=2", b"{}"),
    ("iris", CSV, b"a,b\n1,2\n"),
]


def gateway_answer(client, model, kind, body):
    return client.post(f"/endpoints/{model}/invocations", content=body, headers={"content-type": kind})


@pytest.mark.parametrize(("model", "payload"), GOOD)
def test_good_bodies_are_answered_as_mlflow_answers_them(client, stock, model, payload):
    body = json.dumps(payload).encode()
    expected, answer = stock(model, J, body), gateway_answer(client, model, J, body)
    assert (answer.status_code, answer.headers["content-type"]) == (expected["status"], expected["type"])
    assert expected["status"] == 200
    assert repr(answer.json()) == repr(json.loads(expected["text"]))


def test_where_mlflow_answers_nan_which_is_no_json_the_answer_is_null(client, stock):
    body = json.dumps({"dataframe_split": {"columns": ["a", "b"], "data": [[None, 2]]}}).encode()
    assert stock("sums", J, body)["text"] == '{"predictions": [NaN]}'
    assert gateway_answer(client, "sums", J, body).text == '{"predictions": [null]}'


@pytest.mark.parametrize(("model", "kind", "body"), BAD)
def test_bad_bodies_are_refused_as_mlflow_refuses_them(client, stock, model, kind, body):
    expected, answer = stock(model, kind, body), gateway_answer(client, model, kind, body)
    assert answer.status_code == expected["status"]
    if expected["status"] == 400:
        assert answer.json()["error_code"] == "BAD_REQUEST"
        assert answer.json()["message"]


@pytest.mark.parametrize("kind", [CSV, "text/csv; charset=utf-8"])
def test_csv_is_answered_as_mlflow_answers_it(client, stock, kind):
    body = (",".join(IRIS) + "\n" + "\n".join(",".join(map(str, row)) for row in (ROW, OTHER))).encode()
    expected, answer = stock("iris", kind, body), gateway_answer(client, "iris", kind, body)
    assert (answer.status_code, answer.json()) == (200, json.loads(expected["text"]))
