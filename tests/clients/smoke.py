"""What somebody with an older client does in a day, in one go; run by that client's own environment."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import mlflow
from mlflow import MlflowClient


def main(url: str) -> None:
    mlflow.set_tracking_uri(url)
    mlflow.set_registry_uri(url)
    client = MlflowClient(url)
    name = f"smoke-{mlflow.__version__}"
    experiment = client.create_experiment(name, tags={"team": "red"})
    mlflow.set_experiment(name)
    run_id = track(client, experiment)
    register(client, name, run_id)
    trace(client, experiment)
    print(f"fine with {mlflow.__version__}")


def track(client: MlflowClient, experiment: str) -> str:
    with mlflow.start_run(run_name="first", tags={"k": "v"}) as run:
        mlflow.log_params({"lr": 0.1, "depth": 3})
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"auc": 0.9, "bad": float("nan")})
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "MLmodel").write_text("flavors: {}\n")
            mlflow.log_artifacts(folder, "model")
    run_id = run.info.run_id
    stored = client.get_run(run_id)
    assert stored.data.params == {"lr": "0.1", "depth": "3"}, stored.data.params
    assert stored.data.metrics["loss"] == 0.2
    assert stored.info.status == "FINISHED"
    assert [point.step for point in client.get_metric_history(run_id, "loss")] == list(range(5))
    assert [file.path for file in client.list_artifacts(run_id, "model")] == ["model/MLmodel"]
    runs = client.search_runs([experiment], "metrics.auc > 0.5 AND params.depth = '3'", order_by=["metrics.loss ASC"])
    assert [run.info.run_id for run in runs] == [run_id]
    return run_id


def register(client: MlflowClient, name: str, run_id: str) -> None:
    client.create_registered_model(name, description="smoke")
    version = client.create_model_version(name, f"runs:/{run_id}/model", run_id)
    client.set_registered_model_alias(name, "champion", version.version)
    client.set_model_version_tag(name, version.version, "stage", "gold")
    assert client.get_model_version_by_alias(name, "champion").version == version.version
    assert client.search_model_versions(f"name = '{name}'")[0].tags == {"stage": "gold"}
    with tempfile.TemporaryDirectory() as folder:
        folder_of_model = mlflow.artifacts.download_artifacts(artifact_uri=f"models:/{name}@champion", dst_path=folder)
        assert (Path(folder_of_model) / "MLmodel").read_text() == "flavors: {}\n"


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


if __name__ == "__main__":
    main(sys.argv[1])
