"""`hl init`: what is seen in somebody's table, and that the project that comes of it can be recorded and run."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helicline.cli.init.columns import columns_of
from helicline.cli.init.command import init
from helicline.cli.init.python_text import python_of
from helicline.cli.loop_file.apply import load_loops
from helicline.errors import Conflict, Invalid
from helicline.records.pipeline import CodeState
from helicline.sdk.environment import capture

pytestmark = pytest.mark.filterwarnings("ignore")
COUNT = 120


@pytest.fixture
def frame():
    chance = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "order_id": np.arange(COUNT) + 5000,
            "day": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(COUNT), unit="D"),
            "pläce": chance.choice(["Köln", "Graz", 'the "old" one'], COUNT),
            "member": chance.random(COUNT) < 0.5,
            "amount": chance.normal(20, 5, COUNT).round(2),
            "empty": [None] * COUNT,
            "country": ["AT"] * COUNT,
            "paid": chance.choice(["yes", "no"], COUNT),
            "stars": chance.integers(1, 6, COUNT),
        }
    )


def saved(frame, folder, name="orders.csv", **options):
    path = folder / name
    frame.to_csv(path, index=False, **options)
    return path


def own_tests(folder):
    """Run the tests of a project and return what they print where one fails."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


def test_columns_are_sorted_by_what_they_say_of_rows_to_come(frame, tmp_path):
    columns = columns_of(saved(frame, tmp_path), "paid", dataset="orders")
    assert columns.numbers == ("amount", "stars")
    assert columns.texts == ("pläce", "member")
    assert [name for name, _ in columns.left_out] == ["order_id", "day", "empty", "country"]
    assert columns.row_count == COUNT


@pytest.mark.parametrize(
    ("label", "task"),
    [("paid", "binary"), ("member", "binary"), ("stars", "classes"), ("amount", "amount"), ("pläce", "classes")],
)
def test_the_task_is_told_by_the_label(frame, tmp_path, label, task):
    assert columns_of(saved(frame, tmp_path), label, dataset="orders").task == task


@pytest.mark.parametrize(
    ("change", "label", "message"),
    [
        (lambda rows: rows, "", "--label"),
        (lambda rows: rows, "price", "order_id, day"),
        (lambda rows: rows, "country", "AT in every row"),
        (lambda rows: rows.head(12), "paid", "rows with a paid"),
        (lambda rows: rows.assign(paid=[f"word {number}" for number in range(COUNT)]), "paid", "120 different values"),
        (lambda rows: rows[["order_id", "paid"]], "paid", "at least one column to learn from"),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused(frame, tmp_path, change, label, message):
    with pytest.raises(Invalid, match=message):
        columns_of(saved(change(frame), tmp_path), label, dataset="orders")


@pytest.mark.parametrize("label", ["paid", "stars", "amount", "member"])
def test_the_project_can_be_recorded_and_its_own_tests_pass(frame, tmp_path, monkeypatch, label):
    monkeypatch.chdir(tmp_path)
    frame.loc[::7, "amount"] = np.nan
    init(tmp_path / "my-orders", data=saved(frame, tmp_path, sep=";"), label=label)
    folder = tmp_path / "my-orders"
    (loop,) = load_loops(folder / "loop.py")
    spec = loop.spec(state=CodeState(bundle=""), environment=capture())
    assert (spec.name, spec.label, len(spec.contracts), len(spec.gates)) == ("my-orders", label, 1, 3)
    assert loop.pipeline.datasets[0].files == (str(folder / "data" / "orders.csv"),)
    (record,) = json.loads((folder / "example.json").read_text())["dataframe_records"]
    assert not {label, "order_id", "day", "empty", "country"} & set(record)
    assert all(len(line) <= 120 for line in (folder / "loop.py").read_text().splitlines())
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=folder, capture_output=True
    )
    assert done.returncode == 0, done.stdout.decode()


def test_a_project_without_data_runs_too(tmp_path):
    init(tmp_path / "nightly")
    assert own_tests(tmp_path / "nightly") == ""
    (loop,) = load_loops(tmp_path / "nightly" / "loop.py")
    assert loop.spec(state=CodeState(bundle=""), environment=capture()).pipeline.candidate is None


@pytest.mark.parametrize(("template", "gates"), [("recommender", 4), ("credit", 4)])
def test_a_project_with_its_own_data_can_be_recorded_and_its_own_tests_pass(tmp_path, monkeypatch, template, gates):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "mine"
    init(folder, template=template)
    (loop,) = load_loops(folder / "loop.py")
    spec = loop.spec(state=CodeState(bundle=""), environment=capture())
    assert (spec.name, len(spec.contracts), len(spec.gates)) == ("mine", 1, gates)
    assert [len(path.read_bytes()) > 100_000 for path in map(Path, loop.pipeline.datasets[0].files)] == [True]
    assert all(len(line) <= 120 for path in folder.rglob("*.py") for line in path.read_text().splitlines())
    assert own_tests(folder) == ""


def test_a_template_with_its_own_data_takes_no_file(frame, tmp_path):
    with pytest.raises(Invalid, match="or another one without"):
        init(tmp_path / "new", template="credit", data=saved(frame, tmp_path), label="paid")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_holds_something_is_left_as_it_is(frame, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(Conflict, match="is there already"):
        init(tmp_path / "full", data=saved(frame, tmp_path), label="paid")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]


def test_a_template_that_does_not_fit_is_refused_and_writes_nothing(frame, tmp_path):
    with pytest.raises(Invalid, match="tabular with the file"):
        init(tmp_path / "new", template="tabular")
    with pytest.raises(Invalid, match="a file with a table"):
        init(tmp_path / "new", data=tmp_path / "no.csv", label="paid")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "value",
    [
        {"a": (None, 1.5), "b": (0.0, None), 'q"': ("x",)},
        ["ünï", "line\nbreak", 'the "old" one', 3, -0.25, True],
        {f"a long name of a column, number {number}": [str(number)] * number for number in range(6)},
    ],
)
def test_values_are_python_code_that_says_the_same(value):
    assert ast.literal_eval(python_of(value, indent=4)) == value
