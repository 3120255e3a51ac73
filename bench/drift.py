"""Drift of a window against a reference: CPU seconds of ours and of Evidently, for the same two frames in memory.

usage: python bench/drift.py [--rows 1000000] [--alone]

Both sides have 20 columns of numbers and 10 of text; three of each have moved. Reading the files is not measured. The
peer needs packages of other versions, so it gets an environment of its own inside of the one that runs this.
Its test of columns is PSI, ours PSI and chi-square with its components; the second row of the peer is its own default.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
from servers import environment_of

from helicline.monitor import drift, profile
from helicline.records.monitor import MonitorSpec

PACKAGES = ("evidently==0.7.23", "pandas<3", "pyarrow")
NUMBERS, TEXTS, MOVED = 20, 10, 3
PEER = """
import json, sys, time
import pandas
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
definition = DataDefinition(numerical_columns=NUMBERS, categorical_columns=TEXTS)
frames = [pandas.read_parquet(path) for path in sys.argv[1:]]
seconds = []
for options in ({"method": "psi"}, {}):
    began = time.process_time()
    sides = [Dataset.from_pandas(frame, data_definition=definition) for frame in frames]
    Report([DataDriftPreset(**options)]).run(sides[1], sides[0]).dict()
    seconds.append(time.process_time() - began)
print(json.dumps(seconds))
"""


def columns(rows: int, *, is_moved: bool) -> dict[str, np.ndarray]:
    """Return the columns of one side; every tenth value of text is missing."""
    chance = np.random.default_rng(int(is_moved))
    sides: dict[str, np.ndarray] = {}
    for number in range(NUMBERS):
        sides[f"n{number}"] = chance.normal(0.5 if is_moved and number < MOVED else 0.0, 1.0, rows)
    for number in range(TEXTS):
        words = np.array([f"value {place}" for place in range(20 + 20 * number)] + [None] * 2, dtype=object)
        share = chance.beta(2, 5 if is_moved and number < MOVED else 2, rows)
        sides[f"t{number}"] = words[(share * len(words)).astype(int)]
    return sides


def write(sides: dict[str, np.ndarray], path: Path) -> None:
    with duckdb.connect() as session:
        session.register("sides", sides)
        session.execute(f"COPY (SELECT * FROM sides) TO '{path}' (FORMAT parquet)")


def own_cpu_s(reference: dict[str, np.ndarray], window: dict[str, np.ndarray]) -> tuple[float, int]:
    """Return the CPU seconds of both profiles and the test, and how many columns are found to have moved."""
    began = time.process_time()
    old = profile.build(reference)
    new = profile.build(window, profile.centres_of(old))
    findings = drift.findings(MonitorSpec(kind="drift"), old, new)
    return time.process_time() - began, sum(finding.severity in ("warning", "critical") for finding in findings)


def peer_cpu_s(reference: Path, window: Path) -> list[float]:
    """Return the CPU seconds of the peer: PSI only, and its default."""
    python = environment_of("evidently", PACKAGES)
    names = [[f"{kind}{number}" for number in range(count)] for kind, count in (("n", NUMBERS), ("t", TEXTS))]
    program = PEER.replace("NUMBERS", repr(names[0])).replace("TEXTS", repr(names[1]))
    done = subprocess.run(
        [str(python), "-W", "ignore", "-c", program, str(reference), str(window)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--alone", action="store_true", help="without the peer")
    options = parser.parse_args()
    sides = [columns(options.rows, is_moved=is_moved) for is_moved in (False, True)]
    seconds, moved = min(own_cpu_s(*sides) for _ in range(3))
    print(f"{options.rows:,} rows x {NUMBERS + TEXTS} columns on both sides, CPU seconds")
    print(f"helicline, both profiles and the test {seconds:10.2f}   {moved} columns have moved")
    if options.alone:
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{name}.parquet" for name in ("reference", "window")]
        for side, path in zip(sides, paths, strict=True):
            write(side, path)
        for label, took in zip(("PSI only", "its default"), peer_cpu_s(*paths), strict=True):
            print(f"evidently, {label:<26} {took:10.2f}   {took / seconds:.0f}x")


if __name__ == "__main__":
    main()
