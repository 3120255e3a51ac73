"""bench/ticks.py starts, and measures a tick and the views on two homes in which nothing can move."""

import re
import subprocess
import sys
from pathlib import Path

TICKS = Path(__file__).parents[2] / "bench" / "ticks.py"
SIZES = ("--turns", "300", "--deployments", "6", "--versions", "30", "--rounds", "2")
ROW = re.compile(r"^(\S+) +[\d.]+ \(([\d.]+)\) +[\d.]+ \(([\d.]+)\) +[\d.]+x$", re.MULTILINE)


def test_the_benchmark_of_ticks_runs():
    done = subprocess.run(
        [sys.executable, str(TICKS), *SIZES], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = ROW.findall(done.stdout)
    assert "50 cached steps, from submission to end" in done.stdout
    assert [(name, few) for name, few, _ in rows[1:]] == [(name, many) for name, _, many in rows[1:]]
    names = [name for name, *_ in rows]
    assert names == [
        "tick",
        "status",
        "desired",
        "/deployments",
        "/models",
        "/loops",
        "/monitors",
    ]
