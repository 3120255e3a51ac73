"""The seconds of each leg of complete turns: runs the story of the digits loop and reads its turns.

python bench/turn.py [--rounds 1] [--legs 13]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples" / "digits"))

from demo import Story  # noqa: E402  (the example is a folder of programs, not a package)


def seconds(record: dict[str, Any], began: str, ended: str) -> float:
    first, last = (datetime.fromisoformat(record[name]) for name in (began, ended))
    return (last - first).total_seconds()


def measure(folder: Path, legs: int | None) -> dict[str, dict[str, float]]:
    """Return the seconds of each leg of each turn of one story, or of its first `legs` legs."""
    os.environ["HELICLINE_HOME"] = str(folder / "home")
    os.environ.update({"HELICLINE_PORT": "0", "HELICLINE_GATEWAY_PORT": "0"})
    story = Story(folder / "home")
    try:
        story.run(legs)
        turns = story.client.items("/turns", dict[str, Any], loop="digits")
        return {
            f"turn {turn['number']} ({turn['cause']['kind']})": {
                leg["name"]: seconds(leg, "started_at", "finished_at") for leg in turn["legs"] if leg["finished_at"]
            }
            | {"whole": seconds(turn, "created_at", "finished_at")}
            for turn in reversed(turns)
        }
    finally:
        story.stop()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--legs", type=int, help="of the story; the first turn is its third leg (default: all)")
    options = parser.parse_args()
    rounds = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append(measure(Path(folder), options.legs))
    print(f"\n{'':24}" + "".join(f"{leg:>10}" for leg in ("data", "train", "register", "gate", "rollout", "whole")))
    for name in rounds[0]:
        cells = []
        for leg in ("data", "train", "register", "gate", "rollout", "whole"):
            durations = [story[name][leg] for story in rounds if leg in story.get(name, {})]
            cells.append(f"{median(durations):9.2f}s" if durations else f"{'-':>10}")
        print(f"{name:24}" + "".join(cells))
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    print(f"\nmedian of {len(rounds)}, commit {commit.stdout.strip() or 'unknown'}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
