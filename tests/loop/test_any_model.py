"""Models and hold-outs of many shapes, each from its file to a prediction: registered, judged, deployed, asked."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from compatibility.stack import Stack
from helicline.engine.measuring.all_metrics import measure_all
from helicline.sdk.gates.checks import with_definition
from support.judged import judged

GUIDE = (Path(__file__).parents[2] / "docs" / "gates.md").read_text()
SNIPPETS = re.findall(r"(?s)```python\n(.*?)```", GUIDE)
HEAD = """
import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

import helicline as hl


class Written(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return answer(model_input)


def logged(**columns):
    inputs = Schema([ColSpec(kind, name) for name, kind in columns.items()])
    return mlflow.pyfunc.log_model(name="model", python_model=Written(), signature=ModelSignature(inputs=inputs))


@hl.step
def rows() -> hl.Table:
    return holdout()


@hl.pipeline
def shop():
    return hl.candidate(train(rows()), {candidate})


loop = hl.Loop("{name}", pipeline=shop, gates=[{gates}])
"""
TOP_LISTS = """
ITEMS = [f"item-{number}" for number in range(20)]


def answer(frame):
    return [ITEMS[int(user) % 5 :][: 8 + int(user) % 3] for user in frame["user"]]


def holdout():
    return pd.DataFrame({"user": range(60), "label": [[ITEMS[user % 5 + 2], ITEMS[19]] for user in range(60)]})


@hl.step
def train(data: hl.Table) -> hl.Model:
    return logged(user="long")
"""


class Case(msgspec.Struct):
    """A model, its gates, what the judge says of them, and a call with its answer."""

    code: str
    gates: str
    verdicts: dict[str, str]
    call: dict[str, list[Any]]
    answer: Any
    candidate: str = "holdout=rows()"
    card: str = ""


CASES = {
    "lists": Case(
        code=TOP_LISTS,
        gates='hl.not_worse("ndcg@10"), hl.at_least("recall@10", 0.1)',
        verdicts={"not_worse:ndcg@10": "no champion", "at_least:recall@10": "recall@10 0.5000 ≥ 0.1"},
        call={"user": [1, 2]},
        answer=[[f"item-{number}" for number in range(1, 10)], [f"item-{number}" for number in range(2, 12)]],
    ),
    "scores": Case(
        code='''
def answer(frame):
    return (frame["item"] == frame["user"] % 5).astype(float).to_numpy()


def holdout():
    users, items = np.repeat(np.arange(30), 5), np.tile(np.arange(5), 30)
    return pd.DataFrame({"user": users, "item": items, "label": (items == users % 5).astype(int)})


@hl.step
def train(data: hl.Table) -> hl.Model:
    return logged(user="long", item="long")
''',
        gates='hl.at_least("mrr", 0.9, group="user")',
        verdicts={"at_least:mrr/user": "mrr/user 1.0000 ≥ 0.9"},
        call={"user": [7], "item": [2]},
        answer=[1.0],
    ),
    "quantiles": Case(
        code='''
def answer(frame):
    return pd.DataFrame({"p10": frame["x"] - 1, "p50": frame["x"], "p90": frame["x"] + 1})


def holdout():
    x = np.linspace(0, 10, 100)
    return pd.DataFrame({"x": x, "label": x + np.sin(np.arange(100)) * 1.1})


@hl.step
def train(data: hl.Table) -> hl.Model:
    return logged(x="double")
''',
        gates='hl.at_most("pinball@0.9", 0.5), hl.at_least("coverage@0.1-0.9", 0.6),'
        ' hl.at_most("mae", 1, output="p50")',
        verdicts={"at_most:pinball@0.9": "≤ 0.5", "at_least:coverage@0.1-0.9": "≥ 0.6", "at_most:p50.mae": "≤ 1"},
        call={"x": [2.0]},
        answer=[{"p10": 1.0, "p50": 2.0, "p90": 3.0}],
    ),
    "answers": Case(
        code='''
def answer(frame):
    return [{"intent": "buy" if "order" in text else "ask", "words": len(text.split())} for text in frame["text"]]


def holdout():
    return pd.DataFrame({"text": ["I order this", "what is it"] * 20, "label": ["buy", "ask"] * 20})


@hl.step
def train(data: hl.Table) -> hl.Model:
    return logged(text="string")
''',
        gates='hl.at_least("accuracy", 0.9, output="intent")',
        verdicts={"at_least:intent.accuracy": "intent.accuracy 1.0000 ≥ 0.9"},
        call={"text": ["an order"]},
        answer=[{"intent": "buy", "words": 2}],
    ),
    "several": Case(
        code='''
def answer(frame):
    return {"class": (frame["x"] > 0).astype(int).to_numpy(), "margin": frame["x"].abs().to_numpy()}


def holdout():
    x = np.linspace(-1, 1, 80)
    return pd.DataFrame({"x": x, "label": (x > 0).astype(int)})


@hl.step
def train(data: hl.Table) -> hl.Model:
    return logged(x="double")
''',
        gates='hl.at_least("f1", 0.9, output="class"), hl.at_least("accuracy", 0.9)',
        verdicts={"at_least:class.f1": "class.f1 1.0000 ≥ 0.9", "at_least:accuracy": "accuracy 1.0000 ≥ 0.9"},
        call={"x": [0.5]},
        answer={"class": [1], "margin": [0.5]},
    ),
    "unlabelled": Case(
        code='''
def answer(frame):
    return np.clip(frame["x"].to_numpy(), 0, 1)


def holdout():
    return pd.DataFrame({"x": np.linspace(-1, 1, 80)})


@hl.metric(better="higher")
def within(frame, predictions):
    return (predictions >= 0) & (predictions <= 1)


@hl.step
def train(data: hl.Table) -> hl.Model:
    return logged(x="double")
''',
        gates='hl.at_least("within", 1), hl.latency(p99_ms=5000)',
        verdicts={"at_least:within": "within 1.0000 ≥ 1", "latency": "p99"},
        call={"x": [0.5]},
        answer=[0.5],
        card="the hold-out has no labels",
    ),
    "bare": Case(
        code='''
def answer(frame):
    return frame["x"].to_numpy() * 2


def holdout():
    return pd.DataFrame({"x": [1.0, 2.0]})


@hl.step
def train(data: hl.Table) -> hl.Model:
    return logged(x="double")
''',
        gates="hl.compatible()",
        verdicts={"signature": "there is no champion"},
        call={"x": [0.5]},
        answer=[1.0],
        candidate="",
        card="the pipeline has no hold-out",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory):
    running = Stack(tmp_path_factory.mktemp("shapes"))
    yield running
    running.close()


def run(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HELICLINE_HOME": str(stack.home), "HELICLINE_URL": stack.url}
    command = [sys.executable, "-m", "helicline.cli.app", *arguments]
    return subprocess.run(command, env=environment, cwd=stack.folder, capture_output=True, text=True, check=False)


def turned(stack: Stack, name: str, code: str, **parts: str) -> dict[str, Any]:
    """Apply a loop file and turn it once; return the turn."""
    head, _, tail = HEAD.partition("@hl.step\n")
    text = head + code + "\n\n@hl.step\n" + tail
    for place, value in {"name": name, **parts}.items():
        text = text.replace(f"{{{place}}}", value)
    (stack.folder / f"{name}.py").write_text(text)
    applied = run(stack, "apply", f"{name}.py")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    return json.loads(run(stack, "run", name, "--json").stdout)


def test_a_version_that_nothing_was_measured_of_says_so(stack: Stack):
    bare = CASES["bare"]
    turned(stack, "untested", bare.code, gates="", candidate="")
    shown = run(stack, "gate", "show", "untested/1").stdout
    assert "not tested: the pipeline has no hold-out" in " ".join(shown.split())
    assert "a candidate without a hold-out" in run(stack, "apply", "untested.py").stderr


def verdicts(stack: Stack, name: str, number: int = 1) -> dict[str, tuple[str, str]]:
    report = stack.client.get(f"/gates/{name}/{number}", dict)

    def check_name(check: dict[str, str]) -> str:
        return f"{check['kind']}:{check['metric']}" if check["metric"] else check["kind"]

    return {check_name(verdict["check"]): (verdict["outcome"], verdict["reason"]) for verdict in report["verdicts"]}


@pytest.mark.parametrize("name", CASES)
def test_a_model_of_any_shape_goes_from_its_file_to_a_prediction(stack: Stack, name: str):
    case = CASES[name]
    turn = turned(stack, name, case.code, gates=case.gates, candidate=case.candidate)
    assert turn["state"] == "PROMOTED", turn["result"]
    for check, why in case.verdicts.items():
        outcome, reason = verdicts(stack, name)[check]
        assert (outcome, why in reason) == ("pass", True), reason
    assert case.card in stack.client.get(f"/models/{name}/versions/1/card", dict)["markdown"]
    body = json.dumps(
        {"dataframe_split": {"columns": list(case.call), "data": list(zip(*case.call.values(), strict=True))}}
    )
    answer = stack.ask(f"/endpoints/{name}/invocations", body.encode(), **{"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["predictions"]) == (200, case.answer), answer.text


OWN = (
    TOP_LISTS
    + """

@hl.metric(better="higher")
def by_row(frame, predictions):
    return [float(relevant[0] in items) for relevant, items in zip(frame["label"], predictions, strict=True)]


@hl.metric(better="higher")
def by_user(frame, predictions):
    return {user: float(len(items)) for user, items in zip(frame["user"], predictions, strict=True)}


@hl.metric(better="lower")
def length(frame, predictions):
    return max(map(len, predictions))


@hl.metric(better="higher")
def broken(frame, predictions):
    return frame["price"].sum()
"""
)


def test_a_worse_recommender_is_rejected_by_metrics_of_its_own_and_a_broken_one_is_named(stack: Stack):
    gates = 'hl.not_worse("recall@10"), hl.not_worse(by_row), hl.not_worse("by_user"), hl.not_worse(length)'
    first = turned(stack, "own", OWN, gates=gates, candidate="holdout=rows()")
    assert first["state"] == "PROMOTED", first["result"]
    worse = OWN.replace("ITEMS[int(user) % 5 :][: 8 + int(user) % 3]", "ITEMS[int(user) % 5 + 5 :][:6]")
    second = turned(stack, "own", worse, gates=f"{gates}, hl.at_least(broken, 1)", candidate="holdout=rows()")
    judged = verdicts(stack, "own", 2)
    assert second["state"] == "REJECTED"
    assert {name: outcome for name, (outcome, _) in judged.items()} == {
        "not_worse:recall@10": "fail",
        "not_worse:by_row": "fail",
        "not_worse:by_user": "fail",
        "not_worse:length": "pass",
        "at_least:broken": "error",
    }
    assert "60 rows in 60 groups (bootstrap by group" in judged["not_worse:by_user"][1]
    assert "(bootstrap by row, " in judged["not_worse:length"][1]
    assert "broken could not be measured: metric broken: got \"KeyError: 'price'\"" in judged["at_least:broken"][1]


def test_a_metric_that_cannot_be_sent_is_refused_with_its_line(stack: Stack):
    text = 'import helicline as hl\n\n\nmine = hl.metric(better="higher")(lambda frame, predictions: 1.0)\n'
    (stack.folder / "bad.py").write_text(text)
    refused = run(stack, "apply", "bad.py")
    assert refused.returncode == 1
    assert "bad.py:4" in refused.stdout + refused.stderr


def test_the_recommender_of_the_guide_starts_as_it_stands(stack: Stack):
    (text,) = [snippet for snippet in SNIPPETS if snippet.startswith("# recommender.py")]
    (stack.folder / "recommender.py").write_text(text)
    assert run(stack, "apply", "recommender.py").returncode == 0
    turn = json.loads(run(stack, "run", "recommender", "--json").stdout)
    assert turn["state"] == "PROMOTED", turn["result"]


def test_the_other_code_of_the_guide_declares_gates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It stands in a file, as a loop file does: a function without a file cannot be sent to a worker."""
    text = "\n\n".join(snippet for snippet in SNIPPETS if not snippet.startswith("# recommender.py"))
    (tmp_path / "snippets_of_gates.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    snippets = importlib.import_module("snippets_of_gates")
    frame = pd.DataFrame({"user": [1, 1, 2], "price": [3.0, 4.0, 5.0], "label": [1.0, 0.0, 1.0]})
    specs = tuple(with_definition(gate, vars(snippets)).definition for gate in snippets.gates)
    results = measure_all(
        specs, judged(np.array([1.0, 0.0, 0.0]), frame), load=lambda spec: getattr(snippets, spec.base).function
    )
    assert (results.metrics, results.failures) == ({"revenue": 7 / 3, "served_users": 0.5, "worst_gap": 1.0}, {})
