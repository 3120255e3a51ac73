"""The loop files of docs/first-models.md, started as they stand: judged, deployed, and asked as the page asks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from compatibility.stack import Stack

PAGE = (Path(__file__).parents[2] / "docs" / "first-models.md").read_text()
LOOPS = {file.group(1): file.group(0) for file in re.finditer(r"(?s)(?<=```python\n)# (\w+)\.py\n.*?(?=```)", PAGE)}
CALLS = dict(re.findall(r"/endpoints/(\w+)/invocations .*?-d '(.*?)'", PAGE, re.DOTALL))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory):
    running = Stack(tmp_path_factory.mktemp("first"))
    yield running
    running.close()


def hl(stack: Stack, *arguments: str) -> str:
    environment = os.environ | {"HELICLINE_HOME": str(stack.home), "HELICLINE_URL": stack.url}
    command = [sys.executable, "-m", "helicline.cli.app", *arguments]
    done = subprocess.run(command, env=environment, cwd=stack.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def test_the_page_has_a_file_and_a_call_for_each_model():
    assert list(LOOPS) == list(CALLS) == ["forest", "boosted", "mood", "rule"]


@pytest.mark.parametrize("name", LOOPS)
def test_a_first_model_starts_as_it_stands(stack: Stack, name: str):
    (stack.folder / f"{name}.py").write_text(LOOPS[name])
    hl(stack, "apply", f"{name}.py")
    turn = json.loads(hl(stack, "run", name, "--json"))
    assert turn["state"] == "PROMOTED", turn["result"]
    answer = stack.ask(f"/endpoints/{name}/invocations", CALLS[name].encode(), **{"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["predictions"]) == len(next(iter(json.loads(CALLS[name]).values())))
