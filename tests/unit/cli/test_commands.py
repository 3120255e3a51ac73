"""Every command says how it is used, and an error is a sentence."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helicline.cli.app import RUNS_VERBS, SCRIPT_COMMAND, arguments_of

ROOT = Path(__file__).parents[3]
_spec = importlib.util.spec_from_file_location("generate_pages", ROOT / "docs" / "generate.py")
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)
COMMANDS = dict(generate.commands())


def hl(tmp_path, *arguments):
    environment = {**os.environ, "HELICLINE_URL": "http://127.0.0.1:9", "HELICLINE_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "helicline.cli.app", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=60, check=False
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_shows_an_example_of_it(name):
    text = COMMANDS[name].default_command.__doc__
    assert "Example: `hl " in text
    assert f"Example: `hl {name}" in " ".join(text.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_first_line_of_help_is_a_sentence(name):
    first = COMMANDS[name].default_command.__doc__.splitlines()[0]
    assert first[0].isupper()
    assert ". Example" in first or first.endswith((".", "`"))


def test_a_reader_who_stops_early_sees_no_traceback(tmp_path):
    program = "print('x' * 100_000)\nraise BrokenPipeError"
    call = f"import sys; from helicline.cli import app; app.app = lambda _: exec({program!r}); app.main()"
    command = [sys.executable, "-c", call]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_run_knows_the_verbs_of_runs_too():
    assert {f"runs {verb}" for verb in RUNS_VERBS} == {name for name in COMMANDS if name.startswith("runs ")}
    assert arguments_of(["run", "ls", "--json"]) == ["runs", "ls", "--json"]
    assert arguments_of(["run", "churn"]) == ["run", "churn"]
    assert arguments_of(["run", "--", "ls"]) == [SCRIPT_COMMAND, "--", "ls"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["status"], "is unavailable"),
        (["apply", "nothing.py"], "a Python file that defines an hl.Loop"),
        (["gate", "show", "churn"], "a model version like churn/7"),
        (["data", "commit", "d", "nowhere"], "a file or a folder that exists"),
        (["doctor"], "not running here"),
    ],
)
def test_an_error_is_a_sentence_and_no_traceback(tmp_path, arguments, message):
    done = hl(tmp_path, *arguments)
    text = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1
    assert message in text
    assert "Traceback" not in text


def test_a_loop_file_that_does_not_run_is_named(tmp_path):
    (tmp_path / "loop.py").write_text("import nowhere_to_be_found\n")
    done = hl(tmp_path, "apply", "loop.py")
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_a_sentence_too(tmp_path):
    (tmp_path / "helicline.toml").write_text('port = "x"\n')
    done = hl(tmp_path, "config", "show")
    assert done.returncode == 1
    assert "port: got 'x'" in done.stderr
