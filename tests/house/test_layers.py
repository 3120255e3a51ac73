"""The directions of imports, as .importlinter draws them."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def lint(folder):
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_rooms_import_only_what_lies_before_them():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_a_contract_that_is_broken_is_seen(tmp_path):
    text = (ROOT / ".importlinter").read_text()
    swapped = text.replace("    monitor\n    serving\n", "    serving\n    monitor\n")
    swapped = swapped.replace("    registry\n    pipeline\n", "    pipeline\n    registry\n    gate\n", 1)
    (tmp_path / ".importlinter").write_text(swapped)
    assert lint(tmp_path).returncode != 0
