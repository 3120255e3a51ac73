"""What the operating system refuses is told in a sentence with the next step, never by a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLACES = {
    "below a file": lambda folder: (folder / "file").write_text("") or folder / "file" / "home",
    "where nothing can be made": lambda folder: "/proc/helicline",
}
COMMANDS = (["up"], ["up", "--detach"], ["down"], ["doctor"], ["status"], ["backup", "all.tar"])


@pytest.mark.parametrize("place", PLACES)
def test_a_home_that_cannot_be_made_is_told_in_a_sentence(tmp_path, place):
    home = PLACES[place](tmp_path)
    for command in COMMANDS:
        done = subprocess.run(
            [sys.executable, "-m", "helicline.cli.app", *command],
            env={**os.environ, "HELICLINE_HOME": str(home), "HELICLINE_PORT": "0", "HELICLINE_GATEWAY_PORT": "0"},
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr + done.stdout, (command, done.stderr)
        if command[0] == "up":
            assert done.returncode == 1
            assert str(Path(home).parent) in done.stderr.replace("\n", "")
            assert "hl doctor" in done.stderr
