"""`hl model` against a live server: protect, ask, approve, card, diff, lineage."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from support.live_server import make_context, running_server


@pytest.fixture(scope="module")
def hl(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    with running_server(make_context(folder)) as http:
        http.post("/api/2.0/mlflow/registered-models/create", json={"name": "churn"}).raise_for_status()
        for content in (b"one", b"two"):
            run = http.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}).json()["run"]["info"]["run_id"]
            http.put(f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/m/notes.txt", content=content)
            http.post("/api/v1/models/churn/versions", json={"source": f"runs:/{run}/m"}).raise_for_status()
        (folder / "server.url").write_text(str(http.base_url).rstrip("/"))  # as `hl up` does, so that hl is the owner's
        environment = {**os.environ, "HELICLINE_URL": str(http.base_url), "HELICLINE_HOME": str(folder)}

        def run_it(*arguments, token=""):
            command = [sys.executable, "-m", "helicline.cli.app", *arguments]
            environ = {**environment, "HELICLINE_TOKEN": token} if token else environment
            return subprocess.run(
                command, capture_output=True, text=True, env=environ, cwd=folder, timeout=60, check=False
            )

        yield run_it


def output_of(done):
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


def test_a_protected_alias_is_asked_for_and_approved(hl):
    assert "churn@champion → 1" in output_of(hl("model", "point", "churn/1", "champion"))
    assert "1 of role approver" in output_of(hl("model", "protect", "churn", "champion"))
    refused = hl("model", "point", "churn/2", "champion", "--by", "ann")
    text = " ".join((refused.stdout + refused.stderr).split())
    assert (refused.returncode, "churn@champion is protected" in text) == (1, True)
    request = json.loads(output_of(hl("model", "request", "churn/2", "champion", "--by", "ann", "--json")))
    assert request["id"] in text
    assert hl("approve", request["id"], "--by", "ann").returncode == 1
    assert hl("approve", request["id"], "--by", "bob").returncode == 1
    bob = output_of(hl("token", "create", "bob", "--role", "approver")).split()[-1]
    assert "APPROVED" in output_of(hl("approve", request["id"], token=bob))
    assert "champion → 2" in output_of(hl("model", "ls"))
    assert "moves freely" in output_of(hl("model", "unprotect", "churn", "champion"))


def test_a_card_is_filled_in_and_printed(hl):
    assert "To rank = sort." in output_of(hl("model", "card", "churn/1", "--set", "intended_use=To rank = sort."))
    assert "# churn/1" in output_of(hl("model", "card", "churn/1"))
    wrong = hl("model", "card", "churn/1", "--set", "nonsense")
    assert (wrong.returncode, "field=text" in " ".join((wrong.stdout + wrong.stderr).split())) == (1, True)


def test_two_versions_are_told_apart(hl):
    assert "file notes.txt" in output_of(hl("model", "diff", "churn/1", "2"))
    assert "run" in output_of(hl("model", "lineage", "churn/2"))
