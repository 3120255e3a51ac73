"""`hl apply` of a file against a live server: errors are refused, warnings are said, both with their line."""

import json

import pytest

LOOP = """\
import helicline as hl

@hl.step
def train(rows: hl.Table) -> hl.Model: ...

@hl.pipeline
def churn(rows: hl.Table = hl.dataset("customers")):
    return hl.candidate(train(rows), holdout=rows)

loop = hl.Loop("churn", pipeline=churn, gates=[hl.not_worse("auc", than="champion")])
"""


@pytest.fixture
def apply(hl, tmp_path):
    def run(text, *options):
        (tmp_path / "loop.py").write_text(text)
        return hl("apply", "loop.py", *options, COLUMNS="200")

    return run


@pytest.mark.parametrize("options", [[], ["--check"]])
def test_data_that_is_not_there_yet_is_said_and_no_failure(apply, options):
    done = apply(LOOP, *options)
    assert done.returncode == 0
    assert "warning loop.py:3: step train: got 'customers@main'" in done.stderr
    assert "hl data commit customers FILE" in done.stderr


def test_the_check_in_json_has_warnings_and_errors(apply):
    warned = apply(LOOP, "--check", "--json")
    assert (warned.returncode, [item["severity"] for item in json.loads(warned.stdout)["problems"]]) == (0, ["warning"])
    failed = apply(LOOP.replace("champion", "champoin"), "--check", "--json")
    problems = {item["field"]: (item["severity"], item["line"]) for item in json.loads(failed.stdout)["problems"]}
    assert failed.returncode == 1
    assert problems == {"gate not_worse:auc": ("error", 10), "step train": ("warning", 3)}
