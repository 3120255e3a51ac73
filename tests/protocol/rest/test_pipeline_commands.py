"""The commands for secrets and parameters, as people type them."""

import os
import subprocess
import sys

import msgspec
import pytest

from helicline.loop import loops
from helicline.records.pipeline import Parameter
from support.live_server import make_context, running_server
from support.records import commit, loop_spec


@pytest.fixture(scope="module")
def hl(tmp_path_factory):
    """Run a command against a server with one loop, and return its status and all that it wrote."""
    folder = tmp_path_factory.mktemp("home")
    context = make_context(folder)
    spec = loop_spec()
    train = msgspec.structs.replace(
        spec.pipeline.steps[1], params={"lr": 0.1}, param_types={"lr": Parameter(type="float")}
    )
    steps = (spec.pipeline.steps[0], train)
    spec = msgspec.structs.replace(spec, pipeline=msgspec.structs.replace(spec.pipeline, steps=steps))
    with running_server(context) as client:
        commit(context.store, context.blobs, b"rows")
        context.store.write(lambda tx: loops.apply(tx, spec), actor="ada")
        token = (folder / "owner.token").read_text().strip()
        own = {"HELICLINE_URL": str(client.base_url), "HELICLINE_TOKEN": token, "COLUMNS": "200"}

        def run(*arguments, text=""):
            command = [sys.executable, "-m", "helicline.cli.app", *arguments]
            process = subprocess.run(
                command, input=text, capture_output=True, text=True, cwd=folder, env={**os.environ, **own}, check=False
            )
            return process.returncode, " ".join((process.stdout + process.stderr).split())

        yield run


def test_a_secret_is_set_from_the_input_listed_and_removed(hl):
    status, text = hl("secret", "set", "SHOP_DB", text="hunter22\n")
    assert (status, "SHOP_DB is set" in text, "hunter22" in text) == (0, True, False)
    assert "SHOP_DB" in hl("secret", "ls")[1]
    assert '"used_by": []' in hl("secret", "ls", "--json")[1]
    assert hl("secret", "rm", "SHOP_DB") == (0, "SHOP_DB is removed")
    assert "No secrets. Set one with: hl secret set NAME" in hl("secret", "ls")[1]


def test_a_value_is_no_argument(hl):
    status, text = hl("secret", "set", "SHOP_DB", "hunter22")
    assert status == 2
    assert "Unused Tokens" in text or "Unexpected" in text
    assert "No secrets" in hl("secret", "ls")[1]


@pytest.mark.parametrize("command", ["run", "pipeline run"])
@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("train.rate=1", "parameter: got 'train.rate', allowed: one of train.lr."),
        ("train.lr=fast", "parameter train.lr: got 'fast', allowed: a number."),
        ("train.lr", "--set: got 'train.lr', allowed: a parameter and its value, like train.lr=0.3."),
    ],
)
def test_a_wrong_parameter_is_a_sentence(hl, command, setting, words):
    status, text = hl(*command.split(), "churn", "--set", setting)
    assert (status, words in text, "Traceback" in text) == (1, True, False), text


def test_what_was_set_stands_in_the_turn_and_in_the_run(hl):
    assert hl("run", "churn", "--set", "train.lr=0.3", "--no-wait")[0] == 0
    assert "set: train.lr=0.3" in hl("turn", "show", "churn~1")[1]
    began = hl("pipeline", "run", "churn", "--set", "train.lr=0.7", "--no-wait")[1]
    assert "set: train.lr=0.7" in hl("pipeline", "show", began.split()[1].rstrip(";"))[1]
