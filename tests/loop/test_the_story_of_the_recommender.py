"""Days of events as a shop has them: a broken day is put aside, a ranking is judged, a worse one is rejected."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).resolve().parents[2] / "examples" / "recommender" / "demo.py"


def test_a_broken_day_is_put_aside_and_a_worse_ranking_is_rejected(tmp_path: Path):
    environment = {**os.environ, "HELICLINE_PORT": "0", "HELICLINE_GATEWAY_PORT": "0"}
    program = [
        sys.executable,
        "-u",
        str(DEMO),
        "--exit",
        "--at-once",
        "39",
        "--days",
        "43",
        "--folder",
        str(tmp_path / "shop"),
    ]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "day 41 is broken and put aside" in done.stdout
    assert "146200 events of 43 days" in done.stdout
    assert "version 3 is as good on old events, and users buy less: conversion 0." in done.stdout
    assert "version 4 ships: better: conversion 0." in done.stdout
    assert "then rolled back: conversion 0." in done.stdout
    assert "0 calls failed" in done.stdout
    assert "all came out as the story says" in done.stdout
