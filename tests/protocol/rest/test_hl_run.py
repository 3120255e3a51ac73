"""`hl run -- PROGRAM`: the program is left as it is; its runs know its code and its output."""

import json
import subprocess
import sys
import threading

import httpx
import pytest

from support.wait import wait_for

TRAINING = """
import mlflow, sys
mlflow.set_experiment("by script")
with mlflow.start_run():
    mlflow.log_metric("loss", 0.25)
    print("training is over", flush=True)
print("last words", file=sys.stderr)
"""

REGISTERING = """
import mlflow
info = mlflow.start_run().info
client = mlflow.MlflowClient()
client.create_registered_model("by-script")
client.create_model_version("by-script", info.artifact_uri, run_id=info.run_id)
"""


def runs_of(place, done):
    ids = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("run ")]
    return [httpx.get(f"{place.url}/api/2.0/mlflow/runs/get?run_id={run_id}").json()["run"] for run_id in ids]


def tags_of(run):
    return {tag["key"]: tag["value"] for tag in run["data"]["tags"]}


def output_of(place, run):
    uri = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    return httpx.get(f"{place.url}/api/2.0/mlflow-artifacts/artifacts/{uri}/output.log").text


def test_the_runs_of_a_program_know_its_code_data_and_output(place, hl, tmp_path):
    (tmp_path / "train.py").write_text(TRAINING)
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    committed = json.loads(hl("data", "commit", "customers", "rows.csv", "--json").stdout)
    for command in (["git", "init", "-q"], ["git", "add", "-A"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *author, "commit", "-qm", "first"], cwd=tmp_path, check=True)
    done = hl("run", "--name", "deeper", "--", sys.executable, "train.py")
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = runs_of(place, done)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True).stdout.strip()
    tags = tags_of(run)
    assert (run["info"]["run_name"], run["info"]["status"]) == ("deeper", "FINISHED")
    assert (tags["mlflow.source.git.commit"], tags["helicline.exit_code"]) == (head, "0")
    assert tags["helicline.data.customers"] == f"customers@{committed['id']}"
    assert {"training is over", "last words"} <= set(output_of(place, run).splitlines())


def test_a_program_that_tracks_nothing_gets_a_run_of_its_own(place, hl):
    done = hl("run", "--experiment", "shell", "--", "sh", "-c", "echo hello; exit 3")
    assert done.returncode == 3
    (run,) = runs_of(place, done)
    assert (run["info"]["status"], tags_of(run)["helicline.exit_code"]) == ("FAILED", "3")
    assert output_of(place, run) == "hello\n"


@pytest.fixture
def script(place, monkeypatch, tmp_path):
    """A program under way that gets a run of its own at once, should it have made none; it ends when told to."""
    import helicline as hl
    from helicline.cli import script

    monkeypatch.setattr(script, "OWN_RUN_AFTER_S", 0.0)
    monkeypatch.setattr(script, "UPLOAD_INTERVAL_S", 0.1)
    monkeypatch.chdir(tmp_path)
    gate = tmp_path / "gate"
    # the program looks for the file every 50 ms, since it has no other way to be told
    waiting = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.05)\n"

    def start(source):
        command = [sys.executable, "-c", f"print('begun')\n{waiting}{source}"]
        under_way = script.Script(hl.Client(place.url), command, name="", experiment="")
        codes = []
        thread = threading.Thread(target=lambda: codes.append(under_way.run()))
        thread.start()

        def end():
            gate.touch()
            thread.join(60)
            return codes[0]

        return under_way, end

    monkeypatch.setattr(script.signal, "signal", lambda *_: None)  # only the main thread may set handlers
    return start


def status_of(place, run_id):
    info = httpx.get(f"{place.url}/api/2.0/mlflow/runs/get?run_id={run_id}").json()["run"]["info"]
    return info["status"], info["lifecycle_stage"]


def own_run_of(under_way):
    wait_for(lambda: under_way.sent_length > 0, "the first lines of the program")
    return under_way.own_run["info"]["run_id"]


def test_a_program_that_makes_no_run_can_be_watched_while_it_runs(place, script):
    under_way, end = script("")
    own = own_run_of(under_way)
    assert status_of(place, own) == ("RUNNING", "active")
    run = httpx.get(f"{place.url}/api/2.0/mlflow/runs/get?run_id={own}").json()["run"]
    assert output_of(place, run) == "begun\n"
    assert under_way.finish(end()) == [own]
    assert status_of(place, own) == ("FINISHED", "active")


def test_a_run_of_its_own_goes_where_the_program_makes_one_after_all(place, script):
    under_way, end = script("import mlflow\nwith mlflow.start_run(): print('trained')")
    own = own_run_of(under_way)
    (run_id,) = under_way.finish(end())
    assert run_id != own
    assert status_of(place, own)[1] == "deleted"
    run = httpx.get(f"{place.url}/api/2.0/mlflow/runs/get?run_id={run_id}").json()["run"]
    assert output_of(place, run).startswith("begun\ntrained\n")


def test_a_version_lies_where_its_run_does_whatever_registry_the_shell_names(place, hl, tmp_path):
    (tmp_path / "register.py").write_text(REGISTERING)
    done = hl("run", "--", sys.executable, "register.py", MLFLOW_REGISTRY_URI="http://127.0.0.1:9")
    assert done.returncode == 0, done.stdout
    answer = httpx.get(f"{place.url}/api/2.0/mlflow/model-versions/get", params={"name": "by-script", "version": "1"})
    assert answer.json()["model_version"]["run_id"] == runs_of(place, done)[0]["info"]["run_id"]


def test_a_program_that_is_not_there_is_named(hl):
    done = hl("run", "--", "no-such-program")
    assert done.returncode == 1
    assert "no-such-program" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_server_the_next_step_is_told(hl):
    done = hl("run", "--", "true", HELICLINE_URL="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "hl up" in done.stderr


@pytest.fixture
def two(place, client):
    """Two finished runs that differ in a parameter and a metric, one of them with NaN."""
    run_ids = []
    for depth, loss in ((3, 0.5), (7, float("nan"))):
        run = client.create_run("0", run_name=f"depth {depth}")
        client.log_param(run.info.run_id, "depth", depth)
        client.log_param(run.info.run_id, "seed", 1)
        client.log_metric(run.info.run_id, "loss", loss)
        client.set_terminated(run.info.run_id)
        run_ids.append(run.info.run_id)
    return run_ids


@pytest.fixture
def client(place):
    import mlflow

    return mlflow.MlflowClient(place.url)


def test_runs_are_searched_from_python_and_become_tables(place, two):
    import helicline as hl

    runs = hl.runs.search("params.seed = '1'", client=hl.Client(place.url), limit=2)
    assert sorted(run.run_id for run in runs) == sorted(two)
    frame = runs.to_pandas().set_index("run_id")
    assert frame.loc[two[0], "metrics.loss"] == 0.5
    assert frame.loc[two[1], "params.depth"] == "7"
    assert frame.loc[two[1], ["metrics.loss"]].isna().all()
    assert runs.to_arrow().num_rows == 2


@pytest.mark.parametrize("name", ["runs.csv", "runs.parquet"])
def test_runs_are_exported_with_every_column(hl, two, tmp_path, name):
    import pandas as pd

    done = hl("runs", "ls", "--filter", "params.seed = '1'", "--to", name)
    assert done.returncode == 0, done.stderr
    read = pd.read_csv if name.endswith("csv") else pd.read_parquet
    assert {"run_id", "metrics.loss", "params.depth"} <= set(read(tmp_path / name).columns)


def test_an_export_has_every_run_though_a_list_shows_few(hl, client, tmp_path):
    for number in range(25):
        client.log_param(client.create_run("0").info.run_id, "many", number)
    command = ("runs", "ls", "--filter", "params.many IS NOT NULL")
    assert len(json.loads(hl(*command, "--json").stdout)) == 20
    assert hl(*command, "--to", "all.csv").stdout.startswith("25 runs")
    assert hl(*command, "--to", "few.csv", "--limit", "3").stdout.startswith("3 runs")


def test_a_file_that_cannot_be_written_is_named(hl, two):
    done = hl("runs", "ls", "--to", "no-such-folder/runs.csv")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "no-such-folder/runs.csv" in done.stderr


def test_the_beginning_of_an_id_is_enough(hl, two):
    short = [run_id[:12] for run_id in two]
    assert json.loads(hl("runs", "show", short[0], "--json").stdout)["run_id"] == two[0]
    assert json.loads(hl("runs", "compare", *short, "--json").stdout)["params.depth"] == {short[0]: "3", short[1]: "7"}
    assert hl("runs", "watch", short[0]).stdout.startswith("FINISHED")
    assert "No run named" in hl("runs", "show", "f" * 31).stderr
    shown = " ".join(hl("runs", "show", two[0]).stdout.split())
    assert "param seed 1" in shown
    assert "tag mlflow.runName depth 3" in shown
    assert two[0][:12] in hl("runs", "ls", "--experiment", "Default").stdout
    assert "none such" in hl("runs", "ls", "--experiment", "none such").stderr
    for wrong in ("0", "-1"):
        assert "limit: got" in hl("runs", "ls", f"--limit={wrong}").stderr


def test_a_wrong_name_or_state_is_told_in_a_sentence(hl):
    assert "a name in it holds no '/'" in hl("model", "protect", "churn", "a/b").stderr
    assert "OPEN" in hl("gate", "requests", "--state", "FOO").stderr


def test_what_differs_between_runs_is_shown(hl, two):
    done = hl("runs", "compare", *two, "--json")
    comparison = json.loads(done.stdout)
    assert comparison["params.depth"] == {two[0]: "3", two[1]: "7"}
    assert "params.seed" not in comparison


def test_the_output_of_a_program_is_told_again(place, hl):
    done = hl("run", "--", "sh", "-c", "echo one; echo two")
    (run,) = runs_of(place, done)
    assert hl("runs", "tail", run["info"]["run_id"], "--follow").stdout == "one\ntwo\n"
    assert hl("runs", "watch", run["info"]["run_id"]).stdout.startswith("FINISHED")


def test_a_filter_or_file_that_cannot_be_is_named(hl, two):
    for arguments, word in (
        (["ls", "--filter", "metrics.loss >"], "filter"),
        (["ls", "--to", "runs.xls"], ".parquet"),
        (["compare", two[0]], "two runs"),
        (["tail", two[0]], "output of run"),
    ):
        done = hl("runs", *arguments)
        assert done.returncode == 1, arguments
        assert word in done.stderr
        assert "Traceback" not in done.stderr
