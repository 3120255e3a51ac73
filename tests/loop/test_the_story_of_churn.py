"""A stranger's table as its users run it: broken data begins no training, what changes for real does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).resolve().parents[2] / "examples" / "churn" / "demo.py"


def test_nothing_is_learned_from_broken_data_and_a_real_change_is(tmp_path: Path):
    environment = {**os.environ, "HELICLINE_PORT": "0", "HELICLINE_GATEWAY_PORT": "0"}
    program = [sys.executable, "-u", str(DEMO), "--folder", str(tmp_path / "churn")]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "not tested: customer_id, signup" in done.stdout
    assert "all came out as the story says" in done.stdout
