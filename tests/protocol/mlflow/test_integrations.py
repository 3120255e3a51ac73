"""The libraries that people have, unchanged, against a live server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import mlflow
import numpy as np
import pytest

from support.http_receiver import Receiver
from support.wait import wait_for

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def place(client, experiment):
    """Everything is logged to an experiment of the test's own."""
    mlflow.set_experiment(experiment_id=experiment)
    yield experiment
    mlflow.autolog(disable=True)
    for flavour in (mlflow.sklearn, mlflow.lightgbm):  # what was set for one of them outlives the call for all
        flavour.autolog(disable=True, silent=True)
    mlflow.end_run()


@pytest.fixture
def data():
    chance = np.random.default_rng(7)
    rows = chance.normal(size=(80, 3))
    return rows, (rows[:, 0] + rows[:, 1] > 0).astype(int)


@pytest.fixture
def named(experiment) -> str:
    return f"model-{experiment}"


def parent_and_children(client, experiment):
    runs = client.search_runs([experiment], order_by=["attributes.start_time ASC"])
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    (parent,) = [run for run in runs if run not in children]
    assert {child.data.tags["mlflow.parentRunId"] for child in children} <= {parent.info.run_id}
    return parent, children


def test_a_grid_search_logs_its_best_and_a_child_for_each_candidate(client, place, data):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    mlflow.sklearn.autolog(max_tuning_runs=None)
    GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, cv=2).fit(*data)
    parent, children = parent_and_children(client, place)
    assert sorted(child.data.params["C"] for child in children) == ["0.1", "1.0", "10.0"]
    assert parent.data.params["best_C"] in ("0.1", "1.0", "10.0")
    assert parent.data.metrics["best_cv_score"] == max(child.data.metrics["mean_test_score"] for child in children)


def test_boosting_logs_a_metric_at_each_iteration_and_its_model(client, place, data):
    import lightgbm

    mlflow.lightgbm.autolog()
    train = lightgbm.Dataset(*data)
    params = {"objective": "binary", "metric": "binary_logloss", "verbose": -1, "num_threads": 1}
    lightgbm.train(params, train, num_boost_round=12, valid_sets=[train], valid_names=["train"])
    (run,) = client.search_runs([place])
    history = client.get_metric_history(run.info.run_id, "train-binary_logloss")
    assert [point.step for point in history] == list(range(12))
    assert history[-1].value < history[0].value
    (model,) = mlflow.search_logged_models(experiment_ids=[place], output_format="list")
    assert (run.data.params["objective"], model.source_run_id) == ("binary", run.info.run_id)


def test_an_evaluation_logs_its_metrics_and_tables(client, place, data):
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    rows, labels = data
    fitted = LogisticRegression().fit(rows, labels)
    frame = pd.DataFrame(rows, columns=list("abc")).assign(label=labels, prediction=fitted.predict(rows))
    with mlflow.start_run() as run:
        result = mlflow.models.evaluate(
            data=frame, predictions="prediction", targets="label", model_type="classifier", evaluators="default",
            evaluator_config={"log_explainer": False},
        )  # fmt: skip
    metrics = client.get_run(run.info.run_id).data.metrics
    assert metrics["accuracy_score"] == pytest.approx(result.metrics["accuracy_score"])
    assert metrics["accuracy_score"] > 0.8


DOUBLING = """
import mlflow

class Doubling(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [2 * value for value in model_input["x"]]

mlflow.models.set_model(Doubling())
"""


@pytest.fixture
def registered(client, named, tmp_path) -> str:
    """The name of a model with one version, its champion; the model is code of its own."""
    code = tmp_path / "doubling.py"
    code.write_text(DOUBLING)
    with mlflow.start_run():
        mlflow.pyfunc.log_model(name="m", python_model=str(code), registered_model_name=named, pip_requirements=[])
    client.set_registered_model_alias(named, "champion", "1")
    return named


def test_a_model_is_registered_and_loaded_by_its_alias(registered):
    import pandas as pd

    loaded = mlflow.pyfunc.load_model(f"models:/{registered}@champion")
    assert list(loaded.predict(pd.DataFrame({"x": [1, 2]}))) == [2, 4]


def test_a_dataset_that_went_in_is_found_with_its_run(client, place):
    import pandas as pd

    frame = pd.DataFrame({"x": [1, 2, 3]})
    with mlflow.start_run() as run:
        mlflow.log_input(mlflow.data.from_pandas(frame, name="numbers"), context="training")
    (used,) = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert (used.dataset.name, json.loads(used.dataset.profile)["num_rows"]) == ("numbers", 3)
    assert len(client.search_runs([place], "datasets.name = 'numbers' AND dataset.context = 'training'")) == 1


def test_nested_runs_know_their_parent(client, place):
    with mlflow.start_run(run_name="outer"):
        for number in range(2):
            with mlflow.start_run(run_name=f"inner {number}", nested=True):
                mlflow.log_metric("number", number)
    parent, children = parent_and_children(client, place)
    assert (parent.info.run_name, [child.info.run_name for child in children]) == ("outer", ["inner 0", "inner 1"])


def test_runs_come_as_a_table(place):
    for number in range(3):
        with mlflow.start_run():
            mlflow.log_params({"lr": number / 10})
            mlflow.log_metrics({"auc": 0.5 + number / 10, "bad": float("nan")})
    table = mlflow.search_runs([place], filter_string="metrics.auc > 0.55", order_by=["metrics.auc DESC"])
    assert list(table["params.lr"]) == ["0.2", "0.1"]
    assert table["metrics.bad"].isna().all()


def test_the_machine_is_measured_while_a_run_goes_on(client, place):
    mlflow.set_system_metrics_sampling_interval(0.05)
    mlflow.set_system_metrics_samples_before_logging(1)
    try:
        with mlflow.start_run(log_system_metrics=True) as run:
            deadline = time.monotonic() + 60
            while "system/cpu_utilization_percentage" not in client.get_run(run.info.run_id).data.metrics:
                assert time.monotonic() < deadline, "no system metric came"
    finally:
        mlflow.set_system_metrics_sampling_interval(None)
        mlflow.set_system_metrics_samples_before_logging(None)
    assert client.get_metric_history(run.info.run_id, "system/system_memory_usage_percentage")


COMPLETION = {
    "id": "c-1", "object": "chat.completion", "created": 1, "model": "small",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "because"}}],
    "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
}  # fmt: skip


def test_calls_of_a_language_model_become_traces_with_their_tokens(client, place):
    import openai

    upstream = Receiver(lambda path, body: (200, json.dumps(COMPLETION).encode(), "application/json"))
    mlflow.openai.autolog()
    try:
        api = openai.OpenAI(base_url=f"{upstream.url}/v1", api_key="none", max_retries=0)
        api.chat.completions.create(model="small", messages=[{"role": "user", "content": "why"}])
    finally:
        mlflow.openai.autolog(disable=True)
        upstream.close()
    mlflow.flush_trace_async_logging()
    (trace,) = client.search_traces(locations=[place], filter_string="span.type = 'CHAT_MODEL'")
    assert trace.info.token_usage == {"input_tokens": 11, "output_tokens": 3, "total_tokens": 14}
    assert "because" in trace.data.response


def test_a_prompt_is_loaded_by_its_alias(named):
    mlflow.genai.register_prompt(named, "Summarise {{text}} in {{words}} words")
    mlflow.genai.set_prompt_alias(named, "production", 1)
    prompt = mlflow.genai.load_prompt(f"prompts:/{named}@production")
    assert prompt.format(text="it", words=3) == "Summarise it in 3 words"


def cli(server, *arguments: str, **more) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "mlflow", *arguments]
    environment = os.environ | {"MLFLOW_TRACKING_URI": server.url, "MLFLOW_REGISTRY_URI": server.url}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=180, **more)


def test_the_command_line_finds_experiments_runs_and_artifacts(server, client, place, tmp_path):
    run_id = client.create_run(place, run_name="by hand").info.run_id
    client.log_text(run_id, "hello", "notes/a.txt")
    assert place in cli(server, "experiments", "search").stdout
    assert "by hand" in cli(server, "runs", "list", "--experiment-id", place).stdout
    assert "a.txt" in cli(server, "artifacts", "list", "--run-id", run_id, "--artifact-path", "notes").stdout
    done = cli(
        server, "artifacts", "download", "--run-id", run_id, "--artifact-path", "notes", "--dst-path", str(tmp_path)
    )
    assert (tmp_path / "notes" / "a.txt").read_text() == "hello", done.stderr


def test_a_registered_model_is_served_by_the_command_line(server, registered, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        f"models:/{registered}@champion",
        "-p",
        str(port),
    ]
    log = tmp_path / "serve.log"
    programs = os.path.dirname(sys.executable)  # it starts uvicorn by its bare name
    environment = os.environ | {"MLFLOW_TRACKING_URI": server.url, "MLFLOW_REGISTRY_URI": server.url}
    environment["PATH"] = f"{programs}:{os.environ['PATH']}"
    with log.open("wb") as out:
        serving = subprocess.Popen(
            [*command, "--env-manager", "local", "--host", "127.0.0.1"], env=environment, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip
    try:
        answer = prediction(f"http://127.0.0.1:{port}", serving, log)
    finally:
        if serving.poll() is None:
            os.killpg(serving.pid, signal.SIGTERM)
        serving.wait(timeout=30)
    assert answer == {"predictions": [2, 4]}


def prediction(url: str, serving: subprocess.Popen, log) -> dict:
    """Wait until the model server is up, and return its prediction for two rows."""

    def is_up() -> bool:
        assert serving.poll() is None, log.read_text()[-2000:]
        try:
            return httpx.get(f"{url}/ping", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    wait_for(is_up, f"the model server; its log is {log}", limit_s=120, interval_s=0.2)
    body = {"dataframe_split": {"columns": ["x"], "data": [[1], [2]]}}
    return httpx.post(f"{url}/invocations", json=body, timeout=30).json()
