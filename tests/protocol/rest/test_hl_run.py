"""`hl run -- PROGRAM`: the program is left as it is; its runs know its code and its output."""

import json
import os
import subprocess
import sys

import httpx
import pytest

from crashing import Server

TRAINING = """
import mlflow, sys
mlflow.set_experiment("by script")
with mlflow.start_run():
    mlflow.log_metric("loss", 0.25)
    print("training is over", flush=True)
print("last words", file=sys.stderr)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("home"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def hl(place, tmp_path):
    def run(*arguments, **more):
        environment = {**os.environ, "HELICLINE_URL": place.url, "GIT_PYTHON_REFRESH": "quiet", **more}
        command = [sys.executable, "-m", "helicline.cli.app", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)

    return run


def runs_of(place, done):
    ids = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("run ")]
    return [httpx.get(f"{place.url}/api/2.0/mlflow/runs/get?run_id={one}").json()["run"] for one in ids]


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


def test_a_program_that_is_not_there_is_named(hl):
    done = hl("run", "--", "no-such-program")
    assert done.returncode == 1
    assert "no-such-program" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_server_the_next_step_is_told(hl):
    done = hl("run", "--", "true", HELICLINE_URL="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "hl up" in done.stderr
