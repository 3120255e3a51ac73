"""An MLflow Project as a step of a real worker: the stock `mlflow run`, logging to the step's run."""

import pytest

from helicline.cli.loop_file.apply import record
from helicline.errors import Invalid
from support.wait import wait_for
from support.worker_harness import WorkerHarness

SOURCE = """
import helicline as hl

@hl.step
def rows(*, how: str = "HOW", timeout: str = "TIMEOUT") -> hl.Table:
    return {"x": [0.0, 1.0, 2.0], "label": [1.0, 3.0, 5.0]}

train = hl.mlflow_project(
    "training",
    parameters={"factor": 2.0},
    inputs={"data": hl.Table},
    outputs={"model": hl.Model, "metrics": hl.Metrics, "report": hl.Artifact},
)

@hl.pipeline
def NAME():
    train(rows())

loop = hl.Loop("NAME", pipeline=NAME)
"""
PROJECT = """
name: training
entry_points:
  main:
    parameters:
      data: path
      factor: {type: float, default: 1}
      report: string
      log: {type: path, default: .}
    command: "python train.py {data} {factor} {report}"
"""
TRAIN = """
import sys
import mlflow, mlflow.pyfunc, pandas

class Constant(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [1.0] * len(model_input)

_, data, factor, report = sys.argv
with mlflow.start_run():
    mlflow.log_metric("size", len(pandas.read_parquet(data)) * float(factor))
    mlflow.pyfunc.log_model(name="model", python_model=Constant(), pip_requirements=[])
with open(report, "w") as file:
    file.write("fine")
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("projects")
    (folder / "training").mkdir()
    (folder / "training" / "MLproject").write_text(PROJECT)
    (folder / "training" / "train.py").write_text(TRAIN)
    harness = WorkerHarness(folder, SOURCE)
    yield harness
    harness.close()


def test_a_project_runs_within_the_run_of_its_step(shop):
    shop.begin("shop", "project")
    detail = shop.detail(shop.turn("shop", "SUCCEEDED"))
    step = {step["step"]: step for step in detail["steps"]}["train"]
    model, metrics, report = step["outputs"]
    assert model["model_id"]
    assert metrics["values"] == {"size": 6.0}
    assert report["byte_count"] == 4
    run = shop.client.get(f"/runs/{step['run_id']}", dict)
    assert "FINISHED" in str(run)
    assert run_names(shop) == {"shop shop~1", "rows", "train"}  # it began none of its own


def run_names(shop):
    return wait_for(lambda: {run["name"] for run in shop.client.items("/runs", dict)}, "runs")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"training"', '"absent"', "mlflow_project: got 'absent', allowed: a folder with a file MLproject"),
        (
            '"training",',
            '"training", entry_point="fit",',
            "entry_point: got 'fit', allowed: an entry point of .*: main",
        ),
        ('"factor": 2.0', '"speed": 2.0', "parameter: got 'speed', allowed: a parameter .*: data, factor, report, log"),
        ('inputs={"data": hl.Table}', "inputs={}", "parameter data: got 'no value'"),
        ('"report": hl.Artifact', '"other": hl.Artifact', "parameter report: got 'no value'"),
        ("hl.Artifact}", 'hl.Artifact, "more": hl.Table}', "output more: got 'Table', allowed: hl.Model or hl.Metrics"),
        ("hl.Artifact}", 'hl.Artifact, "log": hl.Artifact}', "output log: got 'a parameter of the type path'"),
    ],
)
def test_what_is_no_project_is_refused_with_its_line(shop, old, new, message):
    path = shop.folder / "wrong_loop.py"
    path.write_text(SOURCE.replace(old, new).replace("NAME", "wrong"))
    with pytest.raises(Invalid, match=message) as caught:
        record(shop.client, path)
    assert caught.value.place.endswith("wrong_loop.py:8")
