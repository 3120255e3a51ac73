"""bench/serving.py starts, and compares the two servers without a failed request."""

import re
import subprocess
import sys
from pathlib import Path

SERVING = Path(__file__).parents[3] / "bench" / "serving.py"


def test_the_benchmark_of_serving_runs():
    done = subprocess.run(
        [sys.executable, str(SERVING), "0.2"], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = re.findall(r"^ +(\d+) +\d+ +\d+ .* failed (\d+) / \d+$", done.stdout, re.MULTILINE)
    assert rows == [("1", "0"), ("16", "0"), ("64", "0")]
