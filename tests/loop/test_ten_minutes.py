"""docs/ten-minutes.md, word by word: every command of the page, in order, in an empty folder with somebody's table."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "ten-minutes.md").read_text()
COMMANDS = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
INSTALLED = ("python3 -m venv", "pip install")  # the environment of the tests stands for what these make


def customers(count: int, *, seed: int) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "customer_id": np.arange(count) + 100_000 * seed,
            "signup": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(count) // 20, unit="D"),
            "plan": chance.choice(["basic", "plus", "pro"], count),
            "region": chance.choice(["north", "south", "east", "west"], count),
            "tenure_months": chance.gamma(2.0, 12.0, count).clip(0.1, 60).round(1),
            "monthly_fee": chance.normal(45, 12, count).clip(10, 80).round(2),
            "support_calls": chance.poisson(1.5, count),
        }
    )
    rows["churned"] = (chance.random(count) < 1 / (1 + np.exp(-2 * (rows["support_calls"] - 1.5)))).astype(int)
    rows.loc[chance.random(count) < 0.08, "tenure_months"] = np.nan
    return rows


class Shell:
    """Runs command lines one after the other, each where the last one ended, with the variables that it set."""

    def __init__(self, folder: Path) -> None:
        self.home, self.state = folder / "churn" / ".helicline", folder / "shell-state"
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        own = {"HELICLINE_PORT": "0", "HELICLINE_GATEWAY_PORT": "0", "PATH": path, "OMP_NUM_THREADS": "1"}
        self.environment = os.environ | own
        self.state.write_text(f"cd {folder}\n")

    def run(self, line: str) -> str:
        """Return what a line printed; a turn that ends without a new version is no failure of the page."""
        for address, file in (("http://127.0.0.1:7070", "server.url"), ("http://127.0.0.1:7080", "gateway.url")):
            if address in line:
                line = line.replace(address, (self.home / file).read_text().strip())
        keep = f"{{ echo cd $PWD; set | grep ^ID= || true; }} > {self.state}"
        script = f". {self.state}\n{line}\nstatus=$?\n{keep}; exit $status"
        done = subprocess.run(
            ["bash", "-c", script], env=self.environment, capture_output=True, text=True, timeout=600, check=False
        )
        ends_without = line.startswith("hl run churn") and "REJECTED" in done.stdout
        assert done.returncode == 0 or ends_without, f"{line}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory):
    """What each command of the page printed."""
    folder = tmp_path_factory.mktemp("own")
    customers(1200, seed=1).to_csv(folder / "customers.csv", index=False)
    shell = Shell(folder)
    outputs: dict[str, str] = {}
    try:
        for command in COMMANDS:
            if command.startswith(INSTALLED):
                continue
            outputs[command] = shell.run(command)
            if command.startswith("hl init"):
                customers(300, seed=2).to_csv(folder / "churn" / "more.csv", index=False)
    finally:
        shell.run(f"cd {folder}/churn && hl down")
    return outputs


def test_three_commands_make_a_model_that_answers(printed: dict[str, str]):
    commands = list(printed)
    assert "churned is learned as one of two classes" in " ".join(printed[commands[0]].split())
    assert "customer_id is left out" in printed[commands[0]]
    assert "PROMOTED" in printed["hl run loop.py"]
    assert '"predictions"' in printed[commands[3]]
    assert "label: churned=1" in printed["hl why $ID"]


def test_every_page_of_the_program_knows_the_model(printed: dict[str, str]):
    assert "1200" in printed["hl data ls churn"]
    assert "auc" in printed["hl gate show churn/1"]
    assert "drift" in printed["hl monitor ls"]


def test_its_tests_pass_and_new_data_is_learned_from(printed: dict[str, str]):
    assert "passed" in printed["pytest -q"]
    assert "1500 rows" in printed["hl data commit churn more.csv --append"]
    assert "churn~3" in printed["hl run churn"]
    assert "stopped" in printed["hl down"]
