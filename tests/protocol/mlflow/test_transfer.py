"""A whole MLflow is copied into Helicline and out of it again: `hl import mlflow`, `hl export mlflow`."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx
import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    Metric,
    Param,
    RunTag,
    TraceData,
    TraceInfo,
)
from mlflow.tracing.client import TracingClient

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from support.mlflow_server import MlflowServer
from support.mlflow_wire_server import MlflowWireServer
from support.wait import wait_for

KINDS = {"experiments": 4, "deleted experiments": 1, "runs": 5, "deleted runs": 2, "points": 2508, "datasets": 1}
KINDS |= {"files": 4, "logged models": 1, "registered models": 2, "model versions": 3, "prompts": 1, "traces": 4}
KINDS |= {"prompt versions": 2, "aliases": 2, "spans": 8, "params": 103, "model links": 1}
KINDS |= {"evaluation datasets": 1, "evaluation records": 3, "scorer versions": 2}
FILED = ("tr-" + "5e" * 16, "0d" * 16)  # the second as clients before MLflow 3 named them


def fill(url, folder):
    """Log a bit of everything; return the ids of the big run and of its model."""
    mlflow.set_tracking_uri(url)
    mlflow.set_registry_uri(url)
    client = MlflowClient(url)
    first, deleted = client.create_experiment("first", tags={"team": "a"}), client.create_experiment("gone")
    client.create_experiment("empty")
    run = client.create_run(first, run_name="big", tags={"kind": "full", "umlaut": "Größe"}).info.run_id
    client.log_batch(run, params=[Param(f"p{at}", str(at)) for at in range(100)])
    for start in range(0, 2500, 500):
        points = [Metric("loss", at / 7, 1_700_000_000_000 + at, at) for at in range(start, start + 500)]
        client.log_batch(run, metrics=points)
    client.log_batch(run, [Metric("odd", value, 1, at) for at, value in enumerate([float("nan"), float("inf"), -0.5])])
    data = Dataset("rows", "d1", "local", "/data/rows", schema="{}", profile=None)
    client.log_inputs(run, [DatasetInput(data, tags=[InputTag("mlflow.data.context", "train")])])
    (folder / "notes.txt").write_text("kept as it is")
    client.log_artifact(run, str(folder / "notes.txt"), "deep/er")
    client.log_text(run, "a b", "with space ü.txt")
    model = client.create_logged_model(first, name="net", source_run_id=run, params={"depth": "3"}, tags={"t": "1"})
    client.log_model_artifact(model.model_id, str(folder / "notes.txt"))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run, [LoggedModelOutput(model.model_id, 7)])
    client.log_batch(run, [Metric("of net", float("nan"), 9, 1, model_id=model.model_id)])
    client.set_terminated(run, "FINISHED", end_time=1_800_000_000_000)
    child = client.create_run(first, tags={"mlflow.parentRunId": run}).info.run_id
    client.log_batch(child, [Metric("loss", 1.0, 5, 5)], [Param("one", "x")], [RunTag("late", "y")])
    client.set_terminated(child, "FAILED")
    hidden = client.create_run(first).info.run_id
    client.log_param(hidden, "q", "1")
    client.set_terminated(hidden)
    client.delete_run(hidden)
    lost = client.create_run(deleted).info.run_id
    client.log_metric(lost, "loss", 2.0)
    client.log_text(lost, "still here", "lost.txt")
    client.set_terminated(lost)
    client.delete_experiment(deleted)
    going_on = client.create_run("0").info.run_id
    client.log_metric(going_on, "loss", 3.0)
    registered(client, run, model.model_id)
    traced(first)
    evaluated(first)
    return run, model.model_id


def registered(client, run, model_id):
    client.create_registered_model("churn", tags={"owner": "us"}, description="who leaves")
    uri = f"models:/{model_id}"
    client.create_model_version("churn", uri, run, tags={"ok": "1"}, description="one", model_id=model_id)
    second = client.create_model_version("churn", uri, run, model_id=model_id)
    client.delete_model_version("churn", second.version)
    client.create_model_version("churn", uri, run, model_id=model_id)
    client.set_registered_model_alias("churn", "champion", "3")
    client.create_registered_model("by run")
    client.create_model_version("by run", f"runs:/{run}/net", run)
    mlflow.genai.register_prompt("greet", "Hello {{name}}", tags={"lang": "en"})
    mlflow.genai.register_prompt("greet", "Hi {{name}}", commit_message="shorter")
    mlflow.genai.set_prompt_alias("greet", "best", 2)


def evaluated(experiment):
    rows = [{"inputs": {"q": at}, "expectations": {"answer": f"ü{at}"}, "tags": {"n": str(at)}} for at in range(3)]
    mlflow.genai.create_dataset("questions", experiment_id=experiment, tags={"team": "a"}).merge_records(rows)
    for text in ("one", "two"):
        body = {"experiment_id": experiment, "name": "tone", "serialized_scorer": json.dumps({"name": text})}
        httpx.post(f"{mlflow.get_tracking_uri()}/api/3.0/mlflow/scorers/register", json=body).raise_for_status()


def traced(experiment):
    mlflow.set_experiment(experiment_id=experiment)
    for at in range(2):
        with mlflow.start_span(f"outer{at}") as outer, mlflow.start_span("inner") as inner:
            inner.set_attributes({"at": at, "text": "x"})
            outer.set_inputs({"q": at})
    mlflow.flush_trace_async_logging()
    assert len(MlflowClient().search_traces(locations=[experiment])) == 2
    mlflow.log_feedback(trace_id=outer.trace_id, name="good", value=True)
    for trace_id in FILED:
        filed(experiment, mlflow.get_trace(outer.trace_id), trace_id)


def filed(experiment, trace, trace_id):
    """Keep a trace whose spans lie in a file only, as servers do that cannot store them."""
    info_document = trace.info.to_dict() | {"trace_id": trace_id, "tags": {"filed": "yes"}, "assessments": []}
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    body = {"trace": {"trace_info": info_document | {"trace_location": place}}}
    stored = httpx.post(f"{mlflow.get_tracking_uri()}/api/3.0/mlflow/traces", json=body).raise_for_status().json()
    info = TraceInfo.from_dict(stored["trace"]["trace_info"])
    data = json.dumps(trace.data.to_dict()).replace(trace.info.trace_id, trace_id)
    TracingClient()._upload_trace_data(info, TraceData.from_dict(json.loads(data)))


def hl(folder, helicline, *arguments):
    environment = {**os.environ, "HELICLINE_URL": helicline, "HELICLINE_HOME": str(folder / "home")}
    return subprocess.Popen(
        [sys.executable, "-m", "helicline.cli.app", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment,
    )


def ended(process):
    """Return the exit code, the report and what was said of errors."""
    out, errors = process.communicate(timeout=300)
    return process.returncode, json.loads(out) if out.startswith("{") else {"problems": out}, errors


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stock")
    running = MlflowServer(folder)
    # in a process of its own, as users log: what other tests left of the client's tracing does not reach it
    # nor what it left in the environment: an experiment of another server
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_EXPERIMENT")}
    command = [sys.executable, __file__, running.url, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    running.run, running.model = done.stdout.split()[-2:]
    yield running
    running.close()


@pytest.fixture
def own_server(tmp_path):
    (tmp_path / "ours").mkdir()
    running = MlflowWireServer(tmp_path / "ours")
    yield running
    running.close()


def attributes(span):
    # the client makes a trace's id of the spans' own one, whatever the trace is called
    return str({key: value for key, value in span.attributes.items() if key != "mlflow.traceRequestId"})


def contents(url, run, model):
    """What the stock client shows of the run, the model, the registry and the traces."""
    mlflow.set_tracking_uri(url)
    mlflow.set_registry_uri(url)
    mlflow.set_experiment(experiment_id="0")  # not one of another server, where an earlier test left it
    client = MlflowClient(url)
    stored_run, experiment = client.get_run(run), client.get_experiment_by_name("first").experiment_id
    traces = client.search_traces(locations=[experiment])
    points = client.get_metric_history(run, "loss")
    links = client.get_logged_model(model).tags["mlflow.modelVersions"]
    prompt = mlflow.genai.load_prompt("prompts:/greet@best")
    questions = mlflow.genai.get_dataset(name="questions").to_df()
    return {
        "status": (
            stored_run.info.run_name,
            stored_run.info.status,
            stored_run.info.end_time,
            stored_run.info.start_time,
        ),
        "params": stored_run.data.params,
        "tags": {key: value for key, value in stored_run.data.tags.items() if key != "helicline.source_id"},
        "loss": [(point.step, point.timestamp, point.value) for point in points],
        # a stock server answers an infinity as the largest number
        "odd": [
            str(point.value).replace("1.7976931348623157e+308", "inf")
            for key in ("odd", "of net")
            for point in client.get_metric_history(run, key)
        ],
        "datasets": [
            (dataset_input.dataset.to_dictionary(), dataset_input.tags[0].value)
            for dataset_input in stored_run.inputs.dataset_inputs
        ],
        "links": [(output.model_id == model, output.step) for output in stored_run.outputs.model_outputs],
        "model": (client.get_logged_model(model).params, str(client.get_logged_model(model).status)),
        "files": mlflow.artifacts.load_text(f"runs:/{run}/deep/er/notes.txt"),
        "versions": {
            (version.name, version.version): (version.run_id == run, dict(version.tags))
            for version in client.search_model_versions()
        },
        # we know the model behind a version whose source is a run, too
        "registered": [registration for registration in json.loads(links) if registration["name"] == "churn"],
        "champion": client.get_model_version_by_alias("churn", "champion").version,
        "prompt": (prompt.version, prompt.template, prompt.commit_message),
        "questions": sorted(map(str, questions[["inputs", "expectations", "tags"]].to_numpy().tolist())),
        "spans": sorted(
            (trace.info.trace_id, *sorted((s.span_id, s.name, attributes(s)) for s in trace.data.spans))
            for trace in traces
        ),
        "feedback": sorted(a.name for trace in traces for a in trace.info.assessments),
        "deleted": client.get_experiment_by_name("gone").lifecycle_stage,
    }


def test_everything_comes_in_with_its_ids_and_goes_out_again(stock, own_server, tmp_path):
    code, report, errors = ended(hl(tmp_path, own_server.url, "import", "mlflow", stock.url, "--json"))
    assert (report["problems"], code) == ([], 0), errors
    assert {kind: report["counts"][kind] for kind in KINDS} == {kind: [much] * 2 for kind, much in KINDS.items()}
    before = contents(stock.url, stock.run, stock.model)
    assert contents(own_server.url, stock.run, stock.model) == before
    (tmp_path / "second").mkdir()
    second = MlflowServer(tmp_path / "second")
    try:
        for _ in range(2):  # a second time changes nothing
            code, report, errors = ended(hl(tmp_path, own_server.url, "export", "mlflow", second.url, "--json"))
            assert (report["problems"], code) == ([], 0), errors
        client = MlflowClient(second.url)
        (run,) = client.search_runs(
            [client.get_experiment_by_name("first").experiment_id], f"tags.`helicline.source_id` = '{stock.run}'"
        )
        model = run.outputs.model_outputs[0].model_id
        assert contents(second.url, run.info.run_id, model) == before
    finally:
        second.close()


def test_a_copy_that_was_killed_goes_on_and_doubles_nothing(stock, own_server, tmp_path):
    process = hl(tmp_path, own_server.url, "import", "mlflow", stock.url, "--json")
    journals = tmp_path / "home" / "transfers"

    def has_begun():
        return process.poll() is not None or any(len(file.read_bytes()) > 200 for file in journals.glob("*.jsonl"))

    wait_for(has_begun, "the copy to begin", interval_s=0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    for journal in journals.glob("*.jsonl"):
        journal.write_bytes(journal.read_bytes()[:-7])  # the last line was cut short
    code, report, errors = ended(hl(tmp_path, own_server.url, "import", "mlflow", stock.url, "--json"))
    assert (report["problems"], code) == ([], 0), errors
    client = MlflowClient(own_server.url)
    everything = [hit.experiment_id for hit in client.search_experiments(view_type=3)]
    assert len(client.search_runs(everything, run_view_type=3)) == KINDS["runs"]
    assert contents(own_server.url, stock.run, stock.model) == contents(stock.url, stock.run, stock.model)


def test_what_vanished_at_the_destination_is_named_and_copied_again(stock, own_server, tmp_path):
    _, report, _ = ended(hl(tmp_path, own_server.url, "import", "mlflow", stock.url, "--json"))
    assert report["problems"] == []
    MlflowClient(own_server.url).delete_tag(stock.run, "kind")
    code, report, _ = ended(hl(tmp_path, own_server.url, "import", "mlflow", stock.url, "--json"))
    assert code == 1
    assert [(problem["kind"], problem["name"]) for problem in report["problems"]] == [("run", stock.run)]
    code, report, errors = ended(hl(tmp_path, own_server.url, "import", "mlflow", stock.url, "--json"))
    assert (report["problems"], code) == ([], 0), errors


def test_a_database_file_is_read_and_left_as_it_is(stock, own_server, tmp_path):
    source, copy = sqlite3.connect(stock.log.parent / "stock.db"), sqlite3.connect(tmp_path / "mlflow.db")
    source.backup(copy)
    source.close()
    copy.close()
    before = (tmp_path / "mlflow.db").read_bytes()
    code, _, errors = ended(hl(tmp_path, own_server.url, "import", "mlflow", "sqlite:///mlflow.db", "--json"))
    assert (code, "--artifacts FOLDER" in errors) == (1, True), errors
    arguments = ["sqlite:///mlflow.db", "--artifacts", str(stock.log.parent / "artifacts"), "--json"]
    code, report, errors = ended(hl(tmp_path, own_server.url, "import", "mlflow", *arguments))
    assert (report["problems"], code) == ([], 0), errors
    assert report["counts"]["runs"] == [5, 5]
    assert (tmp_path / "mlflow.db").read_bytes() == before


IN_FILES = """
import mlflow
from mlflow import MlflowClient
mlflow.set_experiment("in files")
with mlflow.start_run(run_name="old") as run:
    for step in range(3):
        mlflow.log_metric("loss", 1 / (1 + step), step=step)
    mlflow.log_params({"depth": 3})
    mlflow.log_text("kept", "notes/a.txt")
    with mlflow.start_span("call"):
        pass
mlflow.flush_trace_async_logging()
MlflowClient().create_registered_model("old")
MlflowClient().create_model_version("old", f"runs:/{run.info.run_id}/notes", run.info.run_id)
MlflowClient().set_registered_model_alias("old", "champion", "1")
print(run.info.run_id)
"""


def test_a_folder_of_runs_is_read_and_left_as_it_is(own_server, tmp_path):
    folder = tmp_path / "mlruns"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment |= {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_TRACKING_URI": folder.as_uri()}
    command = [sys.executable, "-c", IN_FILES]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    run = done.stdout.split()[-1]
    before = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, report, errors = ended(hl(tmp_path, own_server.url, "import", "mlflow", "./mlruns", "--json"))
    assert (report["problems"], code) == ([], 0), errors
    expected = {"runs": 1, "points": 3, "files": 1, "model versions": 1, "aliases": 1, "traces": 1, "spans": 1}
    assert {kind: report["counts"][kind] for kind in expected} == {
        kind: [count, count] for kind, count in expected.items()
    }
    client = MlflowClient(own_server.url, registry_uri=own_server.url)  # another test may have set a registry for all
    assert client.get_run(run).data.params == {"depth": "3"}
    assert client.get_model_version_by_alias("old", "champion").run_id == run
    assert {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("ftp://127.0.0.1/x", "sqlite:///FILE"),
        ("http://127.0.0.1:9", "is unavailable"),
        ("sqlite:///nowhere.db", "a file that exists as sqlite:///mlflow.db"),
        ("./nowhere", "a folder that exists"),
        ("./ours", "no experiments in it"),
        ("sqlite:///other.db", "no experiments in it"),
        ("sqlite:///text.db", "a database of MLflow"),
    ],
)
def test_a_source_that_is_none_is_a_sentence(own_server, tmp_path, uri, message):
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE t (x)").connection.close()
    (tmp_path / "text.db").write_text("not a database at all" * 100)
    code, out, errors = ended(hl(tmp_path, own_server.url, "import", "mlflow", uri))
    text = " ".join((str(out) + errors).split())
    assert code == 1
    assert message in text
    assert "Traceback" not in text


def test_a_server_is_not_copied_onto_itself(own_server, tmp_path):
    code, _, errors = ended(hl(tmp_path, own_server.url, "import", "mlflow", own_server.url))
    assert code == 1
    assert "another server" in errors


def test_an_id_that_another_experiment_uses_is_refused(own_server, tmp_path):
    client = MlflowClient(own_server.url, registry_uri=own_server.url)
    other = client.create_experiment("other")
    headers = {"x-helicline-id": "abc123"}
    answers = [
        httpx.post(
            f"{own_server.url}/api/2.0/mlflow/runs/create", json={"experiment_id": experiment_id}, headers=headers
        ).status_code
        for experiment_id in ("0", "0", other)
    ]
    assert answers == [200, 200, 400]


if __name__ == "__main__":
    print(*fill(sys.argv[1], Path(sys.argv[2])))
