"""`hl gc` against a live server, beside the stock client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import mlflow
import pytest

from helicline.serving.prediction_log.files import listed
from support.live_server import make_context, running_server
from support.prediction_log import SCHEMA, Log, call


@pytest.fixture
def http(tmp_path):
    with running_server(make_context(tmp_path)) as client:
        yield client


@pytest.fixture
def client(http):
    mlflow.set_tracking_uri(str(http.base_url))
    return mlflow.MlflowClient(str(http.base_url))


@pytest.fixture
def deleted(client) -> str:
    """A deleted run with a file of 1000 bytes, beside a living one."""
    runs = [client.create_run("0").info.run_id for _ in range(2)]
    for run_id in runs:
        client.log_text(run_id, run_id * 40, "note.txt")
    client.delete_run(runs[0])
    return runs[0]


def gc(http, tmp_path, *options: str, token: str = ""):
    variables = {"HELICLINE_URL": str(http.base_url).rstrip("/"), "HELICLINE_TOKEN": token}
    command = [sys.executable, "-m", "helicline.cli.app", "gc", *options]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | variables, timeout=120, check=False
    )


def test_what_was_deleted_is_told_and_then_removed(http, client, deleted, tmp_path):
    preview = json.loads(gc(http, tmp_path, "--grace", "0s", "--dry-run", "--json").stdout)
    assert (preview["dry_run"], preview["run_count"], preview["freed_bytes"]) == (True, 1, 1280)
    assert client.get_run(deleted).info.lifecycle_stage == "deleted"
    done = gc(http, tmp_path, "--grace", "0s")
    assert "1,280 bytes are free" in done.stdout
    with pytest.raises(mlflow.exceptions.MlflowException, match="not found"):
        client.get_run(deleted)
    assert http.get("/api/v1/audit").json()["ok"]


def test_the_log_that_is_too_old_is_told_and_then_dropped(http, tmp_path):
    context = make_context(tmp_path)
    log, old = Log(context.home), datetime.now(UTC) - timedelta(days=401)
    log.add(SCHEMA, call(old))
    log.add(SCHEMA, call(old + timedelta(days=2)))
    (part,) = json.loads(gc(http, tmp_path, "--dry-run", "--json").stdout)["log"]
    assert (part["deployment"], part["file_count"]) == ("churn", 1)
    assert len(listed(context.home, "predictions", deployment="churn")) == 2
    assert "churn" in gc(http, tmp_path).stdout
    assert len(listed(context.home, "predictions", deployment="churn")) == 1
    (dropped,) = http.get("/api/v1/events", params={"noun": "prediction_log"}).json()["items"]
    assert (dropped["verb"], dropped["detail"]["files"], dropped["detail"]["bytes"]) == (
        "expired",
        1,
        part["freed_bytes"],
    )


def test_fresh_bytes_stay_for_a_day(http, client, deleted, tmp_path):
    done = json.loads(gc(http, tmp_path, "--json").stdout)
    assert (done["run_count"], done["blob_count"]) == (1, 0)


def test_only_those_that_are_named(http, client, deleted, tmp_path):
    other = client.create_run("0").info.run_id
    client.delete_run(other)
    assert json.loads(gc(http, tmp_path, "--run-ids", other, "--json").stdout)["run_count"] == 1
    assert client.get_run(deleted).info.lifecycle_stage == "deleted"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--older-than", "soon"], "a time like 30d"),
        (["--run-ids", "0" * 32], "No run named"),
        (["--experiment-ids", "0"], "only what is deleted"),
    ],
)
def test_a_wish_that_cannot_be_is_a_sentence(http, tmp_path, options, message):
    done = gc(http, tmp_path, *options)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert message in " ".join((done.stdout + done.stderr).split())


def test_only_an_administrator_empties_the_trash(http, client, deleted, tmp_path):
    secret = http.post("/api/v1/tokens", json={"name": "ann", "role": "operator"}).json()["secret"]
    done = gc(http, tmp_path, token=secret)
    assert (done.returncode, "operator" in done.stderr) == (1, True)
    assert client.get_run(deleted).info.lifecycle_stage == "deleted"
