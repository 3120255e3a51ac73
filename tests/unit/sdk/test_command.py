"""A command as a step: its places, its files, what it leaves, and the hash of what it runs."""

import importlib.util
import sys

import pandas
import pytest

import helicline as hl
from helicline.errors import Invalid
from helicline.records.pipeline import CodeState, Parameter
from helicline.sdk.code import bundle
from support.records import ENVIRONMENT

LOOP = """
import helicline as hl

double = hl.command(
    "python double.py --data {data} --by {by} --out {table} --metrics {metrics}",
    inputs={"data": hl.Table},
    params={"by": 2},
    outputs={"table": hl.Table, "metrics": hl.Metrics},
    retries=1,
)
count = hl.command("wc -l < {lines} > {count}", inputs={"lines": hl.Artifact}, outputs={"count": hl.Artifact})
fails = hl.command("echo gone; exit 3 # {data}", inputs={"data": hl.Table})
silent = hl.command("true {out}", outputs={"out": hl.Table})
hidden = [hl.command("true")]

@hl.pipeline
def line(rows: hl.Table = hl.dataset("rows@main"), *, by: int = 3):
    table, metrics = double(rows, by=by)
    return metrics

@hl.pipeline
def nameless():
    hidden[0]()

loop = hl.Loop("line", pipeline=line)
"""
DOUBLE = """
import argparse, json, pandas
from own import scale
parser = argparse.ArgumentParser()
for name in ("data", "by", "out", "metrics"):
    parser.add_argument("--" + name)
arguments = parser.parse_args()
frame = scale(pandas.read_parquet(arguments.data), int(arguments.by))
frame.to_csv(arguments.out, index=False)
json.dump({"rows": len(frame)}, open(arguments.metrics, "w"))
"""
OWN = "def scale(frame, by):\n    return frame * by\n"


class Project:
    """A loop file whose step is a program beside it."""

    def __init__(self, folder):
        self.folder = folder
        self.write(**{"commands_loop.py": LOOP, "double.py": DOUBLE, "own.py": OWN})
        spec = importlib.util.spec_from_file_location("commands_loop", folder / "commands_loop.py")
        self.module = importlib.util.module_from_spec(spec)
        sys.modules["commands_loop"] = self.module
        spec.loader.exec_module(self.module)

    def write(self, **files):
        for name, text in files.items():
            (self.folder / name).write_text(text)

    def step(self):
        return self.module.line.spec(state=CodeState(bundle=""), environment=ENVIRONMENT).steps[0]


@pytest.fixture
def project(tmp_path):
    yield Project(tmp_path)
    del sys.modules["commands_loop"]


def test_a_command_becomes_a_step_with_its_name_types_and_options(project):
    step = project.step()
    assert (step.name, step.function, step.outputs) == ("double", "commands_loop:double", ("Table", "Metrics"))
    assert (step.input_kinds, step.params, step.retries) == ({"data": "Table"}, {"by": 3}, 1)
    assert step.param_types == {"by": Parameter(type="int")}
    assert step.command.startswith("python double.py --data {data}")


def test_a_command_runs_in_process_with_files_as_its_arguments(project):
    metrics = project.module.line.run_here(pandas.DataFrame({"x": [1, 2]}), by=5)
    assert metrics == {"rows": 2.0}
    table, _ = project.module.double(pandas.DataFrame({"x": [1, 2]}), by=5)
    assert list(table.pandas()["x"]) == [5, 10]


def test_an_artifact_is_a_path(project, tmp_path):
    (tmp_path / "it's.txt").write_text("a\nb\n")
    count = project.module.count(hl.Artifact(tmp_path / "it's.txt"))
    assert count.path.read_text().strip() == "2"


def test_the_program_and_what_it_imports_are_the_code_of_the_step(project):
    before = project.step().code_hash
    project.write(**{"double.py": "# a comment\n" + DOUBLE, "unused.py": "x = 1\n"})
    assert project.step().code_hash == before
    project.write(**{"own.py": OWN.replace("*", "+")})
    assert project.step().code_hash != before


def test_the_program_and_what_it_imports_are_in_the_bundle(project):
    _, names = bundle(project.folder / "commands_loop.py", [project.step().command])
    assert names == ("commands_loop.py", "double.py", "own.py")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda module: module.fails(pandas.DataFrame({"x": [1]})), "command: got 'exit status 3', allowed: 0."),
        (lambda module: module.silent(), "command, output out: got 'nothing'"),
        (lambda module: module.nameless.trace(), "an assignment at the top level of its file"),
        (lambda _: hl.command("train {data}"), "command: got 'data', allowed: a {place}"),
        (lambda _: hl.command("train", inputs={"data": hl.Table}), "command: got 'data', allowed: a {place}"),
        (lambda _: hl.command("train {a}", inputs={"a": hl.Table}, outputs={"a": hl.Table}), "names of their own"),
        (lambda _: hl.command("train {a}", inputs={"a": int}), "hl.Table, hl.Model"),
        (lambda _: hl.command("train", secrets="A"), "a list of names"),
    ],
)
def test_what_is_wrong_with_a_command_is_a_sentence(project, call, words):
    with pytest.raises(Invalid) as error:
        call(project.module)
    assert words in str(error.value)
