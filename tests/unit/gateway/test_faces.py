"""One row through the worker by every face: the model gets the same, and so does the prediction log."""

import io
import json

import numpy as np
import pandas as pd
import pytest
import yaml

from helicline.gateway.worker import frames
from helicline.gateway.worker.call import Call
from helicline.gateway.worker.decode import decode
from helicline.gateway.worker.model import Predictor, load
from helicline.gateway.worker.predict import predict
from support import gateway_harness

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's, of its own types
ROWS = [{"plan": None, "age": 18, "spend": 0.5}, {"plan": "pro", "age": 40.5, "spend": 2}]
NAMES = list(ROWS[0])


@pytest.fixture(scope="module")
def predictor():
    folder = gateway_harness.models() / "gaps"
    return Predictor(load(folder, yaml.safe_load((folder / "MLmodel").read_text())))


def cells(rows, name):
    return [row[name] for row in rows]


def tensor(rows, name, datatype):
    return {"name": name, "shape": [len(rows), 1], "datatype": datatype, "data": cells(rows, name)}


def parquet(rows):
    file = io.BytesIO()
    pd.DataFrame(rows).to_parquet(file)
    return file.getvalue()


FACES = {
    "records": lambda rows: (frames.SCORING_JSON, {"dataframe_records": rows}),
    "split": lambda rows: (
        frames.SCORING_JSON, {"dataframe_split": {"columns": NAMES, "data": [list(row.values()) for row in rows]}}
    ),
    "inputs": lambda rows: (frames.SCORING_JSON, {"inputs": {name: cells(rows, name) for name in NAMES}}),
    "instances": lambda rows: (frames.SCORING_JSON, {"instances": rows}),
    "with params": lambda rows: (frames.SCORING_JSON, {"instances": rows, "params": {}}),
    "V1": lambda rows: (frames.V1_JSON, {"instances": rows}),
    "CSV": lambda rows: (frames.SCORING_CSV, pd.DataFrame(rows).to_csv(index=False).encode()),
    "Parquet": lambda rows: (frames.SCORING_PARQUET, parquet(rows)),
    "OIP": lambda rows: (
        frames.OIP_JSON,
        {"inputs": [tensor(rows, name, kind) for name, kind in zip(NAMES, ("BYTES", "FP64", "FP32"), strict=True)]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], ROWS[1:]], ids=["both", "missing", "complete"])
@pytest.mark.parametrize("face", FACES)
def test_every_face_gives_model_and_log_the_same(predictor, face, rows):
    kind, body = FACES[face](rows)
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    call = decode(predictor, Call(frames.Frame(kind, 0, 1, 0, b"id", body)))
    assert call.failure is None
    predict(predictor, [call])
    assert call.failure is None
    expected = ["NaN 18.5", "pro 42.5"] if rows is ROWS else ["pro 42.5" if rows[0]["plan"] else "NaN 18.5"]
    assert list(call.output) == expected
    assert [[None if value != value else value for value in row] for row in call.features] == [
        [row["plan"], float(row["age"]), float(row["spend"])] for row in rows
    ]


@pytest.mark.parametrize("face", ["records", "inputs", "V1", "OIP", "Parquet"])
def test_a_number_too_large_for_its_column_is_refused_by_name(predictor, face):
    rows = [{**ROWS[1], "spend": 1e39}]
    kind, body = FACES[face](rows)
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    call = decode(predictor, Call(frames.Frame(kind, 0, 1, 0, b"id", body)))
    if call.failure is None:
        predict(predictor, [call])
    assert call.failure.status == 400
    assert "spend" in call.failure.message


def test_a_model_that_changes_its_input_leaves_the_log_what_was_sent():
    folder = gateway_harness.models() / "iris"
    predictor = Predictor(load(folder, yaml.safe_load((folder / "MLmodel").read_text())))
    predictor.path = "matrix"
    estimator = predictor.loaded.estimator

    class Scaling:
        def predict(self, matrix):
            matrix *= 2
            return estimator.predict(matrix)

    predictor.loaded.estimator = Scaling()
    call = Call(frames.Frame(frames.SCORING_JSON, 0, 1, 0, b"id", b""), rows=[[5.1, 3.5, 1.4, 0.2]])
    predict(predictor, [call])
    np.testing.assert_array_equal(call.features, [[5.1, 3.5, 1.4, 0.2]])
