"""The example as its users run it: real processes, real traffic, the stock client, every leg as the story says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).resolve().parents[2] / "examples" / "digits" / "demo.py"


def test_every_leg_of_the_demo_comes_out_as_its_story_says(tmp_path: Path):
    environment = {**os.environ, "HELICLINE_PORT": "0", "HELICLINE_GATEWAY_PORT": "0"}
    program = [sys.executable, str(DEMO), "--exit", "--folder", str(tmp_path / "demo")]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=2400, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "all legs came out as the story says" in done.stdout
