"""Runs a command beside processes that want the processor all the time, as on a busy machine.

python bench/beside_load.py [--processes 4] COMMAND ...
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys

from helicline import parent_process


def spin() -> None:
    """Use a core until this process is ended; it ends with its parent."""
    parent_process.end_with(os.getppid())
    while True:
        sum(range(100_000))


def main(arguments: list[str]) -> int:
    """Return the exit code of the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    parsed = parser.parse_args(arguments)
    context = multiprocessing.get_context("fork")
    spinners = [context.Process(target=spin, daemon=True) for _ in range(parsed.processes)]
    for spinner in spinners:
        spinner.start()
    try:
        return subprocess.run(parsed.command, check=False).returncode
    finally:
        for spinner in spinners:
            spinner.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
