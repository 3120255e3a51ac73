"""A problem of a loop file is told with the line of the call or of the step that it is about."""

import sys

import pytest

from helicline.cli.loop_file import lines
from helicline.cli.loop_file.apply import load_loops
from helicline.records.pipeline import CodeState
from helicline.sdk.environment import capture

FILE = """\
import helicline as hl
import mlflow

@hl.step
def train() -> hl.Model:
    return mlflow.sklearn.log_model(
        None,
        name="m",
        code_paths=["lib", "/opt/lib"],
    )

@hl.pipeline
def churn():
    return hl.candidate(train())

loop = hl.Loop(
    "churn",
    pipeline=churn,
    gates=[
        hl.at_least("auc", 0.5),
        hl.not_worse("ndcg"),
        hl.at_least("f1", 0.5),
    ],
)
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "churn_lines.py"
    path.write_text(FILE)
    yield path
    sys.modules.pop("churn_lines", None)


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("gate at_least:auc", 20),
        ("gate at_least:f1", 22),
        ("gate not_worse:ndcg", 21),
        ("step train", 4),
        ("approval role", 16),
        ("nothing that is there", 16),
    ],
)
def test_a_field_has_the_line_of_what_makes_it(file, field, line):
    (loop,) = load_loops(file)
    spec = loop.spec(state=CodeState(bundle=""), environment=capture())
    assert lines.line_of(file, field, spec) == line


def test_relative_code_paths_are_problems_and_absolute_ones_are_not(file):
    (problem,) = lines.relative_code_paths(file)
    assert (problem["got"], problem["line"]) == ("lib", 9)
