"""What people do with a client in a day, a workflow for each: `workflows.py URL`, run by that client's own environment.

Prints one JSON object: what came of each workflow. Nothing but the client and what it brings is imported here.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow import MlflowClient

VERSION = tuple(int(part) for part in mlflow.__version__.split(".")[:2])
NAME = f"client-{mlflow.__version__}"
WORKS = "works"


@dataclass(frozen=True)
class Workflow:
    """One everyday task, the modules that it needs, and the first client that has it."""

    name: str
    run: Callable[[MlflowClient, str], None]
    modules: tuple[str, ...] = ()
    since: tuple[int, int] = (2, 22)

    def result(self, client: MlflowClient, experiment: str) -> str:
        """Return what came of it: `works`, why it was not tried, or the traceback."""
        if self.since > VERSION:
            return f"since {self.since[0]}.{self.since[1]}"
        missing = [module for module in self.modules if importlib.util.find_spec(module) is None]
        if missing:
            return f"needs {', '.join(missing)}"
        try:
            self.run(client, experiment)
        except Exception:
            return traceback.format_exc()[-2500:]
        finally:
            while mlflow.active_run() is not None:
                mlflow.end_run()
        return WORKS


def log_runs(client: MlflowClient, experiment: str) -> None:
    with mlflow.start_run(run_name="first", tags={"k": "v"}) as run:
        mlflow.log_params({"lr": 0.1, "depth": 3})
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"auc": 0.9, "bad": float("nan")})
    run_id = run.info.run_id
    stored = client.get_run(run_id)
    assert stored.data.params == {"lr": "0.1", "depth": "3"}, stored.data.params
    assert stored.data.metrics["loss"] == 0.2
    assert stored.info.status == "FINISHED"
    assert [point.step for point in client.get_metric_history(run_id, "loss")] == list(range(5))


def search_runs(client: MlflowClient, experiment: str) -> None:
    ids = []
    for depth in range(3):
        with mlflow.start_run(tags={"family": "trees"}) as run:
            mlflow.log_param("depth", depth)
            mlflow.log_metric("auc", 0.5 + depth / 10)
        ids.append(run.info.run_id)
    query = "metrics.auc > 0.55 AND params.depth != '9' AND tags.family = 'trees'"
    runs = client.search_runs([experiment], query, order_by=["metrics.auc DESC"])
    assert [run.info.run_id for run in runs] == [ids[2], ids[1]]
    first = client.search_runs([experiment], "tags.family = 'trees'", max_results=2)
    rest = client.search_runs([experiment], "tags.family = 'trees'", max_results=2, page_token=first.token)
    assert sorted(run.info.run_id for run in [*first, *rest]) == sorted(ids)


def nest_and_delete_runs(client: MlflowClient, experiment: str) -> None:
    with mlflow.start_run() as parent, mlflow.start_run(nested=True) as child:
        mlflow.log_param("inner", 1)
    query = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    assert [run.info.run_id for run in client.search_runs([experiment], query)] == [child.info.run_id]
    client.delete_run(child.info.run_id)
    assert client.search_runs([experiment], query) == []
    client.restore_run(child.info.run_id)
    assert len(client.search_runs([experiment], query)) == 1


def log_files(client: MlflowClient, experiment: str) -> None:
    with mlflow.start_run() as run, tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a b.txt").write_text("one")
        mlflow.log_artifacts(folder, "files")
        mlflow.log_artifact(str(Path(folder) / "a b.txt"))
        mlflow.log_text("two", "files/deep/text.txt")
        mlflow.log_dict({"three": 3}, "three.json")
        paths = sorted(file.path for file in client.list_artifacts(run.info.run_id))
        assert paths == ["a b.txt", "files", "three.json"], paths
        path = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="files", dst_path=folder)
        assert (Path(path) / "deep" / "text.txt").read_text() == "two"
        assert (Path(path) / "a b.txt").read_text() == "one"
    assert mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/three.json") == {"three": 3}


def log_figures(client: MlflowClient, experiment: str) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import numpy as np
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.plot([1, 2, 3])
    with mlflow.start_run() as run:
        mlflow.log_figure(figure, "plots/curve.png")
        mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), key="sample", step=1, timestamp=17)
    assert [file.path for file in client.list_artifacts(run.info.run_id, "plots")] == ["plots/curve.png"]
    images = [file.path for file in client.list_artifacts(run.info.run_id, "images")]
    assert any(path.endswith(".png") for path in images), images
    with tempfile.TemporaryDirectory() as folder:
        for name in images:
            path = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=name, dst_path=folder)
            assert Path(path).stat().st_size > 0


def log_tables_and_inputs(client: MlflowClient, experiment: str) -> None:
    import pandas as pd

    frame = pd.DataFrame({"question": ["a", "b"], "score": [1, 2]})
    with mlflow.start_run() as run:
        mlflow.log_table(frame, "answers.json")
        mlflow.log_input(mlflow.data.from_pandas(frame, name="answers"), context="training")
    loaded = mlflow.load_table("answers.json", run_ids=[run.info.run_id])
    assert loaded["score"].tolist() == [1, 2]
    (entry,) = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert (entry.dataset.name, entry.tags[0].value) == ("answers", "training")


def train_with_autologging(client: MlflowClient, experiment: str) -> None:
    rows, truth = _iris()
    from sklearn.ensemble import RandomForestClassifier

    mlflow.sklearn.autolog(silent=True)
    try:
        with mlflow.start_run() as run:
            RandomForestClassifier(n_estimators=5, random_state=0).fit(rows, truth)
    finally:
        mlflow.sklearn.autolog(disable=True, silent=True)
    stored = client.get_run(run.info.run_id)
    assert stored.data.params["n_estimators"] == "5"
    assert stored.data.metrics["training_accuracy_score"] > 0.9
    assert len(mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model").predict(rows)) == len(rows)


def register_versions(client: MlflowClient, experiment: str) -> None:
    name = f"{NAME}-files"
    with mlflow.start_run() as run:
        mlflow.log_text("flavors: {}\n", "model/MLmodel")
    client.create_registered_model(name, description="of files")
    version = client.create_model_version(name, f"runs:/{run.info.run_id}/model", run.info.run_id)
    client.set_registered_model_alias(name, "champion", version.version)
    client.set_model_version_tag(name, version.version, "stage", "gold")
    assert client.get_model_version_by_alias(name, "champion").version == version.version
    assert client.search_model_versions(f"name = '{name}'")[0].tags == {"stage": "gold"}
    assert [model.name for model in client.search_registered_models(f"name = '{name}'")] == [name]
    with tempfile.TemporaryDirectory() as folder:
        path = mlflow.artifacts.download_artifacts(artifact_uri=f"models:/{name}@champion", dst_path=folder)
        assert (Path(path) / "MLmodel").read_text() == "flavors: {}\n"


def predict_by_uri(client: MlflowClient, experiment: str) -> None:
    rows, truth = _iris()
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(max_iter=500).fit(rows, truth)
    place = {"name": "model"} if VERSION >= (3, 0) else {"artifact_path": "model"}
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            fitted, **place, registered_model_name=NAME, input_example=rows.head(2),
            signature=mlflow.models.infer_signature(rows, fitted.predict(rows)),
            pip_requirements=["mlflow", "scikit-learn", "pandas", "numpy"],
        )  # fmt: skip
    client.set_registered_model_alias(NAME, "champion", "1")
    for uri in (f"models:/{NAME}/1", f"models:/{NAME}@champion"):
        assert mlflow.pyfunc.load_model(uri).predict(rows).tolist() == fitted.predict(rows).tolist()


def evaluate_a_model(client: MlflowClient, experiment: str) -> None:
    rows, truth = _iris()
    data = rows.assign(label=truth, prediction=truth)
    with mlflow.start_run() as run:
        evaluate = mlflow.models.evaluate if VERSION >= (3, 0) else mlflow.evaluate
        evaluate(
            data=data, targets="label", predictions="prediction", model_type="classifier",
            evaluators="default", evaluator_config={"log_explainer": False},
        )  # fmt: skip
    assert client.get_run(run.info.run_id).data.metrics["accuracy_score"] == 1.0


def find_logged_models(client: MlflowClient, experiment: str) -> None:
    with mlflow.start_run():
        model = mlflow.initialize_logged_model(name="logged", params={"depth": "3"}, experiment_id=experiment)
        mlflow.finalize_logged_model(model.model_id, "READY")
        mlflow.log_metric("auc", 0.8, model_id=model.model_id)
    hits = client.search_logged_models([experiment], "metrics.auc > 0.7 AND name = 'logged'")
    assert [hit.model_id for hit in hits] == [model.model_id]


def write_prompts(client: MlflowClient, experiment: str) -> None:
    prompts = mlflow.genai if VERSION >= (3, 0) else mlflow
    name = f"{NAME}-prompt"
    prompts.register_prompt(name=name, template="Hello {{who}}", commit_message="first")
    prompts.register_prompt(name=name, template="Good day {{who}}", commit_message="second")
    assert prompts.load_prompt(f"prompts:/{name}/2").format(who="Ann") == "Good day Ann"


def trace(client: MlflowClient, experiment: str) -> None:
    @mlflow.trace(name="outer")
    def outer(question: str) -> str:
        with mlflow.start_span("inner") as span:
            span.set_inputs({"question": question})
        return question.upper()

    outer("why")
    if hasattr(mlflow, "flush_trace_async_logging"):
        mlflow.flush_trace_async_logging()
    (trace_record,) = client.search_traces(experiment_ids=[experiment])
    assert sorted(span.name for span in trace_record.data.spans) == ["inner", "outer"]
    trace_id = getattr(trace_record.info, "trace_id", None) or trace_record.info.request_id
    client.set_trace_tag(trace_id, "team", "red")
    named = client.search_traces(experiment_ids=[experiment], filter_string="tags.team = 'red'")
    assert len(named) == 1, named
    assert client.get_trace(trace_id).data.spans[0].outputs == "WHY"


def judge_traces(client: MlflowClient, experiment: str) -> None:
    with mlflow.start_span("judged") as span:
        span.set_outputs("fine")
    mlflow.flush_trace_async_logging()
    mlflow.log_feedback(trace_id=span.trace_id, name="helpful", value=True, rationale="short")
    (assessment,) = mlflow.get_trace(span.trace_id).info.assessments
    assert (assessment.name, assessment.feedback.value) == ("helpful", True)


def _iris():
    from sklearn.datasets import load_iris

    rows, truth = load_iris(return_X_y=True, as_frame=True)
    rows.columns = ["sl", "sw", "pl", "pw"]
    return rows, truth


SKLEARN = ("sklearn", "pandas")
WORKFLOWS = (
    Workflow("log parameters, metrics, tags", log_runs),
    Workflow("search runs", search_runs),
    Workflow("nest, delete and restore runs", nest_and_delete_runs),
    Workflow("log, list and download files", log_files),
    Workflow("log figures and images", log_figures, ("matplotlib", "PIL", "numpy")),
    Workflow("log tables and dataset inputs", log_tables_and_inputs, ("pandas",)),
    Workflow("autologging of scikit-learn", train_with_autologging, SKLEARN),
    Workflow("registry with aliases and tags", register_versions),
    Workflow("predict by models:/ URI", predict_by_uri, SKLEARN),
    Workflow("evaluate", evaluate_a_model, (*SKLEARN, "matplotlib")),
    Workflow("logged models", find_logged_models, since=(3, 0)),
    Workflow("prompts", write_prompts, ("numpy",)),
    Workflow("traces", trace),
    Workflow("feedback on traces", judge_traces, since=(3, 0)),
)


def main(url: str) -> None:
    mlflow.set_tracking_uri(url)
    mlflow.set_registry_uri(url)
    client = MlflowClient(url)
    results = {}
    for workflow in WORKFLOWS:
        experiment = client.create_experiment(f"{NAME} {workflow.name}", tags={"team": "red"})
        mlflow.set_experiment(experiment_id=experiment)
        results[workflow.name] = workflow.result(client, experiment)
    print(json.dumps({"version": mlflow.__version__, "results": results}))


if __name__ == "__main__":
    main(sys.argv[1])
