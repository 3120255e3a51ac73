"""A mistake in a loop file is one sentence with the file and the line of the user."""

import subprocess
import sys

import pytest

HEAD = """\
import helicline as hl

@hl.step
def train(data: hl.Table, *, lr: float = 0.1) -> hl.Model: ...

@hl.step
def split(raw: hl.Table) -> tuple[hl.Table, hl.Table]: ...

@hl.pipeline
def churn(raw: hl.Table = hl.dataset("rows@main")):
    BODY
    return hl.candidate(train(raw))

loop = hl.Loop("churn", pipeline=churn)
"""
BODIES = {
    "train(raw, raw)": "step train: got 'too many positional arguments', allowed: train(data, *, lr=0.1).",
    "train()": "step train: got \"missing a required argument: 'data'\", allowed: train(data, *, lr=0.1).",
    "train(raw, rate=3)": "step train: got \"got an unexpected keyword argument 'rate'\"",
    "train.fit(raw)": "pipeline churn: got \"AttributeError: 'Step' object has no attribute 'fit'\"",
    "train(raw).predict(raw)": "step train: got '.predict of its output', allowed: an output passed to steps.",
    "a, b, c = split(raw)": "pipeline churn: got 'ValueError: not enough values to unpack (expected 3, got 2)'",
    "a, b = train(raw)": "step train: got 'its output taken apart', allowed: one Model.",
    "trian(raw)": "pipeline churn: got \"NameError: name 'trian' is not defined\"",
    "train(raw, lr=object)": "step train, parameter lr: got 'type'",
    "open('nowhere.csv')": "FileNotFoundError",
}
CALL = """
import sys
from pathlib import Path
from helicline.cli.loop_file.apply import load_loops
from helicline.cli.show import print_error
from helicline.errors import HeliclineError
from helicline.records.pipeline import CodeState, Environment
try:
    environment = Environment(python="", platform="", packages=(), hash="")
    [loop.spec(state=CodeState(bundle=""), environment=environment) for loop in load_loops(Path("loop.py"))]
except HeliclineError as error:
    print_error(error)
"""


def printed(tmp_path, text):
    (tmp_path / "loop.py").write_text(text)
    process = subprocess.run([sys.executable, "-c", CALL], cwd=tmp_path, capture_output=True, text=True, check=True)
    return " ".join(process.stderr.split())


@pytest.mark.parametrize("body", BODIES)
def test_a_wrong_call_in_a_pipeline_has_its_line(tmp_path, body):
    text = printed(tmp_path, HEAD.replace("BODY", body))
    assert text.startswith("error loop.py:11: ")
    assert BODIES[body] in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("mistake", "line"),
    [
        ("hl.canary(25, 5)", 15),
        ("1 / 0", 15),
        ("hl.dataset('../x')", 15),
        ("x = (", 15),
        ("import nowhere_at_all", 15),
        ("@hl.step\ndef wrong(raw) -> hl.Table: ...", 15),
    ],
)
def test_a_mistake_at_the_top_of_the_file_has_its_line(tmp_path, mistake, line):
    text = printed(tmp_path, HEAD.replace("BODY", "pass") + mistake + "\n")
    assert text.startswith(f"error loop.py:{line}: ")
    assert "Traceback" not in text


def test_a_mistake_in_another_own_file_has_the_line_there(tmp_path):
    (tmp_path / "own.py").write_text("import helicline as hl\n\nPLAN = hl.canary(7)\n")
    assert printed(tmp_path, "import own\n" + HEAD).startswith("error own.py:3: canary")


def test_a_gate_without_a_candidate_has_the_line_of_its_definition(tmp_path):
    text = HEAD.replace("BODY", "train(raw)").replace("    return hl.candidate(train(raw))\n", "")
    text = text.replace("pipeline=churn", "pipeline=churn, gates=[hl.at_least('auc', 0.5)]")
    assert printed(tmp_path, text).startswith("error loop.py:9: pipeline churn: got 'no candidate'")
