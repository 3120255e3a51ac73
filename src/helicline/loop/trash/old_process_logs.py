"""Logs of steps and of model workers that are older than the setting `process_log_keep` says, or too many, are dropped.

What may still be written to stays: the logs of the home's own processes, which are bounded, and of loaded revisions.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec

from helicline import bus
from helicline.loop.context import Context
from helicline.loop.trash.old_log import Write
from helicline.serving import deployments
from helicline.store import nouns
from helicline.store.unit import Reader, Tx

SETTLED = timedelta(hours=1)  # a log that was written to so lately is of something that runs


class DroppedLogs(msgspec.Struct, frozen=True, kw_only=True):
    """How many logs of processes went, or would go, and the bytes that are free by it."""

    file_count: int
    freed_bytes: int


class _File(msgspec.Struct, frozen=True, order=True):
    written_at: datetime
    path: Path
    size: int


def look(context: Context) -> tuple[DroppedLogs, ...]:
    """Return what `drop` would remove now."""
    return _report(_going(context))


def drop(context: Context, write: Write) -> tuple[DroppedLogs, ...]:
    """Remove the logs that are too old or too many, with an event before they go."""
    going = _going(context)
    reports = _report(going)
    for report in reports:
        write(partial(_note, report=report))
    for file in going:
        with contextlib.suppress(FileNotFoundError):
            file.path.unlink()
    return reports


def _report(going: list[_File]) -> tuple[DroppedLogs, ...]:
    report = DroppedLogs(file_count=len(going), freed_bytes=sum(file.size for file in going))
    return (report,) if going else ()


def _going(context: Context) -> list[_File]:
    rule, now = context.settings.process_log_rule, context.store.clock.now()
    files = sorted(_files(context), reverse=True)
    total, going = 0, []
    for file in files:  # the newest first
        total += file.size
        is_old = rule.max_age is not None and file.written_at < now - rule.max_age
        is_too_much = rule.max_bytes is not None and total > rule.max_bytes
        if (is_old or is_too_much) and file.written_at < now - SETTLED:
            going.append(file)
    return going


def _files(context: Context) -> Iterator[_File]:
    """Yield the logs that nothing writes to any more."""
    loaded, logs = context.store.read(_loaded), context.home / "logs"
    of_models = (path for path in logs.glob("worker-*.log*") if path.name.removesuffix(".old") not in loaded)
    for path in (*of_models, *(logs / "attempts").glob("*.log")):
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            yield _File(datetime.fromtimestamp(status.st_mtime, UTC), path, status.st_size)


def _loaded(tx: Reader) -> set[str]:
    """Return the names of the logs of all revisions that gateways keep loaded."""
    numbers = {
        (deployment.name, number)
        for deployment in nouns.DEPLOYMENTS.select(tx)
        for number in (deployment.stable, deployment.previous)
    }
    numbers |= {(name, rollout.candidate) for name, rollout in deployments.active_rollouts(tx).items()}
    return {f"worker-{name}-{number}.log" for name, number in numbers}


def _note(tx: Tx, report: DroppedLogs) -> Counter[str]:
    bus.emit(tx, "expired", "process_logs", "of this home", files=report.file_count, bytes=report.freed_bytes)
    return Counter()
