"""Tests wait for events: a fixed sleep says why it is right."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
WAIT = TESTS / "support" / "wait.py"
SLEEP = re.compile(r"\b(?:time|asyncio)\.sleep\(")
COMMENT = re.compile(r"(?:^|\s)# \w")


def unexplained(lines):
    """Return the lines that sleep without a comment on the line or on the line above."""
    above = ["", *lines]
    pairs = zip(above, lines, strict=False)
    return [line for before, line in pairs if SLEEP.search(line) and not COMMENT.search(f"{before}\n{line}")]


def test_every_sleep_has_a_reason():
    files = [path for path in TESTS.rglob("*.py") if path not in (WAIT, Path(__file__))]
    lines = {path.name: unexplained(path.read_text().splitlines()) for path in files}
    assert {name: sleeps for name, sleeps in lines.items() if sleeps} == {}


def test_a_sleep_without_a_reason_is_seen():
    assert unexplained(["time.sleep(1)", "x = 1  # because", "time.sleep(2)", "time.sleep(3)  # slow by design"]) == [
        "time.sleep(1)"
    ]
