"""bench/log_age.py makes both logs, small ones, and finds what it asks for in each."""

import re
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[3] / "bench" / "log_age.py"


def test_the_benchmark_of_old_logs_runs():
    arguments = ["--days", "2", "--rows", "2000", "--rounds", "1", "--most", "1000"]
    done = subprocess.run(
        [sys.executable, str(BENCH), *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    questions = re.findall(r"^(\w.*?) +[\d.]+ +[\d.]+ +[\d.]+$", done.stdout, re.MULTILINE)
    assert {question.split(",")[0] for question in questions} >= {"why", "performance monitor", "drift monitor"}
    assert len(questions) == 9
