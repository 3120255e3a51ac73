"""What a type checker sees of the public names in a project that uses this package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import helicline

SOURCE = Path(helicline.__file__).parents[1]
LOOP_FILE = """
import helicline as hl

@hl.step(retries=2)
def train(rows: hl.Table, *, rate: float = 0.1) -> hl.Model:
    return hl.Model(rows.paths[0])

@hl.pipeline
def churn(rows: hl.Table = hl.dataset("customers@main")) -> hl.Model:
    return train(rows)

reveal_type(train)
reveal_type(train(hl.Table([])))
reveal_type(churn)
reveal_type(hl.Loop("churn", pipeline=churn, gates=[hl.at_least("auc", 0.8)]))
reveal_type(hl.canary(5, 100))
reveal_type(hl.drift())
reveal_type(hl.runs.search())
"""
LOOP_TYPES = [
    "helicline.sdk.authoring.Step[[rows: helicline.sdk.handles.Table, *, rate: float =], helicline.sdk.handles.Model]",
    "helicline.sdk.handles.Model",
    "helicline.sdk.authoring.Pipeline",
    "helicline.sdk.loop.Loop",
    "helicline.records.deployment.RolloutPlan",
    "helicline.records.monitor.MonitorSpec",
    "helicline.sdk.runs.Runs",
]


@pytest.fixture
def check(tmp_path):
    """Check a file in a folder of its own; return the lines that mypy prints about it."""

    def mypy(text):
        (tmp_path / "consumer.py").write_text(text)
        options = ["--strict", "--follow-imports=silent", "--cache-dir", str(tmp_path / "cache")]
        environment = {**os.environ, "MYPYPATH": str(SOURCE)}
        command = [sys.executable, "-m", "mypy", *options, "consumer.py"]
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        return [line for line in result.stdout.splitlines() if line.startswith("consumer.py:")]

    return mypy


def revealed(lines):
    """Return the types that `reveal_type` printed; an error of the checker fails the test."""
    assert [line for line in lines if ": error:" in line] == []
    return [line.split('"', 1)[1].rstrip('"') for line in lines if "Revealed type is" in line]


def test_the_package_says_that_it_is_typed():
    assert (SOURCE / "helicline" / "py.typed").is_file()


def test_no_public_name_is_any(check):
    calls = "".join(f"reveal_type(hl.{name})\n" for name in helicline.__all__)
    types = dict(zip(helicline.__all__, revealed(check(f"import helicline as hl\n{calls}")), strict=True))
    assert [name for name, type_ in types.items() if type_ in ("Any", "builtins.object")] == []


def test_a_loop_file_keeps_its_types(check):
    assert revealed(check(LOOP_FILE)) == LOOP_TYPES


def test_a_misspelt_public_name_is_an_error(check):
    lines = check("import helicline as hl\nhl.pipelin\n")
    assert any("has no attribute" in line and "pipelin" in line for line in lines)
