"""`python -m helicline.gateway.log_sealer --home DIR`: turns closed segments of the prediction log into Parquet.

It works once at the start, at each line on its standard input, and once more when the input ends. Between, it merges
what is due (`serving.prediction_log.merge`), a second at a time, so that new rows need not wait.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from helicline.gateway.segment_profiles import merge_profiles, profile_writer
from helicline.serving.prediction_log.merge import BeforeMerge, Merger
from helicline.serving.prediction_log.seal import OnSealed, closed_segments, seal

MERGE_S = 1.0
_log = logging.getLogger("helicline.gateway.log_sealer")


def _merge_for(merger: Merger, seconds: float) -> None:
    end = time.monotonic() + seconds
    merger.run(datetime.now(UTC), goes_on=lambda: time.monotonic() < end)


def run(home: Path, *, on_sealed: OnSealed | None = None, before_merge: BeforeMerge | None = None) -> int:
    """Seal at the start, at every line on standard input and at its end; return the exit code."""
    merger = Merger(home, before_merge)
    seal_all(home, on_sealed=on_sealed)
    for _ in sys.stdin.buffer:
        seal_all(home, on_sealed=on_sealed)
        _merge_for(merger, MERGE_S)
    seal_all(home, on_sealed=on_sealed)
    return 0


def seal_all(home: Path, *, on_sealed: OnSealed | None = None) -> int:
    """Seal every closed segment; return how many. One that cannot be sealed is renamed to `.bad` and logged."""
    sealed_count = 0
    for segment in closed_segments(home / "log"):
        try:
            seal(segment, home / "tables", on_sealed=on_sealed)
            sealed_count += 1
        except (OSError, duckdb.IOException) as error:
            _log.error("segment %s stays for the next time: %s", segment.name, error)
        except Exception:
            _log.exception("segment %s cannot be sealed and is set aside", segment.name)
            segment.rename(segment.with_suffix(".bad"))
    return sealed_count


def main(*, on_sealed: OnSealed | None = None) -> int:
    """Run as a process; `on_sealed` is called with each sealed segment, by default to write its profiles."""
    parser = argparse.ArgumentParser(prog="helicline-sealer")
    parser.add_argument("--home", type=Path, required=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    home = parser.parse_args().home
    return run(home, on_sealed=on_sealed or profile_writer(home), before_merge=merge_profiles)


if __name__ == "__main__":
    sys.exit(main())
