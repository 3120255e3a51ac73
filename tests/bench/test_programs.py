"""Every program in bench/ starts, measures and ends by itself; here with tiny sizes, most of them without the peer."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
SHORT = ("--seconds", "0.2", "--alone")
PROGRAMS = {
    "artifacts.py": (SHORT, r"^memory: \d+ MB$"),
    "beside_load.py": (("--processes", "1", sys.executable, "-c", "print('done')"), r"^done$"),
    "drift.py": (("--rows", "2000", "--alone"), r"^helicline, .* 6 columns have moved$"),
    "faults.py": (
        ("--only", "step:kill:gate", "model:kill:idle"),
        r"(?s)model:kill:idle .* ok .*step:kill:gate .* ok ",
    ),
    "flip.py": (("--flips", "3", "--connections", "2"), r"^full .* 0 failed .* last on the old version"),
    "history.py": (("--points", "1000", "--alone"), r"cost by length of the series"),
    "inference.py": (SHORT, r"^1,000 rows, one matrix +[\d.]+ +failed 0$"),
    "log_age.py": (("--days", "2", "--rows", "2000", "--rounds", "1", "--most", "1000"), r"^drift monitor.* [\d.]+$"),
    "otlp.py": (SHORT, r"^memory: \d+ MB$"),
    "pipeline.py": (("--steps", "4", "--rounds", "1"), r"^helicline +[\d.]+s +[\d.]+s +[\d.]+s +1.0x$"),
    "search.py": (("--runs", "200", "--seconds", "0.5", "--alone"), r"^param order +100 "),
    "serving.py": (("0.2",), r"^ +64 +\d+ +\d+ .* failed 0 / \d+$"),
    "soak.py": (("--minutes", "0.1", "--growth", "2"), r"^ok$"),
    "ticks.py": (
        ("--turns", "300", "--deployments", "6", "--versions", "30", "--rounds", "2"),
        r"^50 cached steps, from submission to end",
    ),
    "tracking.py": ((*SHORT, "--clients", "2"), r"^resident memory: \d+ MB$"),
    "turn.py": (("--legs", "3"), r"^turn 1 \(person\)"),
}
MODULES = {"load.py", "servers.py"}  # what the programs share


def test_every_program_is_started_here():
    assert {path.name for path in BENCH.glob("*.py")} == PROGRAMS.keys() | MODULES


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_measures_and_ends(name):
    arguments, expected = PROGRAMS[name]
    command = [sys.executable, str(BENCH / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert re.search(expected, done.stdout, re.MULTILINE), done.stdout[-3000:]
