"""Commands as steps of a real worker: their files, their secret, the model that they save, and their failure."""

import pytest

from support.wait import wait_for
from support.worker_harness import WorkerHarness

SOURCE = """
import helicline as hl

@hl.step
def rows(*, how: str = "HOW", timeout: str = "TIMEOUT") -> hl.Table:
    return {"x": [0.0, 1.0, 2.0], "label": [1.0, 3.0, 5.0]}

train = hl.command(
    "python train.py {data} {model} {metrics} {factor}",
    inputs={"data": hl.Table},
    params={"factor": 1.0},
    outputs={"model": hl.Model, "metrics": hl.Metrics},
    secrets=["SHOP_KEY"],
)

@hl.pipeline
def NAME():
    train(rows())

loop = hl.Loop("NAME", pipeline=NAME)
"""
TRAIN = """
import json, os, sys
import mlflow.sklearn, pandas
from sklearn.linear_model import LinearRegression
from own import FEATURES
_, data, model, metrics, factor = sys.argv
if float(factor) < 0:
    sys.exit("a negative factor for " + os.environ["SHOP_KEY"])
frame = pandas.read_parquet(data)
fitted = LinearRegression().fit(frame[FEATURES], frame["label"] * float(factor))
mlflow.sklearn.save_model(fitted, model, pip_requirements=[])
json.dump({"slope": float(fitted.coef_[0])}, open(metrics, "w"))
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commands")
    (folder / "train.py").write_text(TRAIN)
    (folder / "own.py").write_text('FEATURES = ["x"]\n')
    harness = WorkerHarness(folder, SOURCE)
    harness.client.send("PUT", "/secrets/SHOP_KEY", body={"value": "hunter22"})
    harness.begin("shop", "commands")
    harness.turn("shop", "SUCCEEDED")
    yield harness
    harness.close()


def run(shop, **params):
    """Run the pipeline by itself and return its run, steps and attempts when it has ended."""
    begun = shop.client.post("/pipelines/shop/runs", dict, {"params": params})

    def ended():
        detail = shop.client.get(f"/pipeline-runs/{begun['id']}", dict)
        return detail if detail["run"]["finished_at"] else None

    return wait_for(ended, "the run to end", limit_s=180, interval_s=0.2)


def test_a_command_trains_a_model_that_is_logged_and_reuses_its_result(shop):
    train = next(step for step in run(shop)["steps"] if step["step"] == "train")
    assert train["state"] == "CACHED"
    model, metrics = train["outputs"]
    assert metrics["values"] == {"slope": pytest.approx(2.0)}
    answer = shop.client.wire("GET", f"/api/2.0/mlflow/logged-models/{model['model_id']}")
    assert answer["model"]["info"]["status"] in (2, "LOGGED_MODEL_READY")


def test_a_parameter_of_a_command_runs_it_again(shop):
    train = next(step for step in run(shop, **{"train.factor": 3})["steps"] if step["step"] == "train")
    assert train["state"] == "SUCCEEDED"
    assert train["outputs"][1]["values"] == {"slope": pytest.approx(6.0)}
    assert "param train.factor" not in train["miss_reason"]
    assert "param factor" in train["miss_reason"]


def test_a_command_that_fails_says_so_and_its_output_is_masked(shop):
    detail = run(shop, **{"train.factor": -1})
    assert "command: got 'exit status 1', allowed: 0." in detail["run"]["error"]
    attempt = next(attempt for attempt in detail["attempts"] if attempt["step"] == "train")
    output = shop.client.send("GET", f"/attempts/{attempt['id']}/log").text
    assert "a negative factor for ***" in output
