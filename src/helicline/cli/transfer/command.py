"""`hl import mlflow` and `hl export mlflow`: one copy, in either direction."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from cyclopts import App

from helicline import settings
from helicline.cli.show import as_json, connect, say, table
from helicline.cli.transfer.checkpoint import Checkpoint
from helicline.cli.transfer.job import Job, Problem
from helicline.cli.transfer.tracker import Tracker
from helicline.errors import Invalid

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

import_app = App(name="import", help="Bring in what another tool holds.")
export_app = App(name="export", help="Give everything to another tool.")


class Report(msgspec.Struct, frozen=True):
    """What a copy came to; `counts` has the source's and the destination's number of each kind."""

    source: str
    destination: str
    counts: dict[str, tuple[int, int]]
    problems: list[Problem]


@import_app.command(name="mlflow")
def import_mlflow(uri: str, *, artifacts: Path | None = None, json: bool = False) -> None:
    """Copy a whole MLflow into this server, and count both sides; run it again to go on where it stopped.

    Experiments, runs with their metric histories and files, models, versions, aliases, prompts, traces, evaluation
    datasets and scorers come over; runs, models and traces keep their ids. Webhooks do not: their secrets stay where
    they are. Example: `hl import mlflow http://127.0.0.1:5000`

    Parameters
    ----------
    uri
        A tracking server, a database file as sqlite:///mlflow.db, or a folder as ./mlruns (both are read through the
        stock server, if installed).
    artifacts
        With a database: the folder its server kept artifacts in. Left out: mlartifacts beside the file.
    """
    from helicline.cli.transfer.database import is_local, served

    with ExitStack() as stack:
        client = stack.enter_context(closing(connect()))
        helicline = stack.enter_context(closing(Tracker(client.url, client.headers, keeps_ids=True)))
        helicline.check()
        if not is_local(uri) and not uri.startswith(("http://", "https://")):
            raise Invalid("URI", uri, "http://HOST:PORT, https://HOST:PORT, sqlite:///FILE or a folder")
        url = stack.enter_context(served(uri, artifacts=artifacts)) if is_local(uri) else uri
        mlflow = stack.enter_context(closing(Tracker(url)))
        _run(mlflow, helicline, name=uri if is_local(uri) else mlflow.shown, json=json)


@export_app.command(name="mlflow")
def export_mlflow(destination: str, *, json: bool = False) -> None:
    """Copy everything the MLflow wire shows into another MLflow server, and count both sides.

    Run it again to go on where it stopped. A stock server gives runs and models its own ids; the tag
    helicline.source_id keeps ours. Example: `hl export mlflow http://127.0.0.1:5000`

    Parameters
    ----------
    destination
        The address of a tracking server that serves artifacts itself.
    """
    with ExitStack() as stack:
        client = stack.enter_context(closing(connect()))
        helicline = stack.enter_context(closing(Tracker(client.url, client.headers)))
        helicline.check()
        mlflow = stack.enter_context(closing(Tracker(destination)))
        _run(helicline, mlflow, name=helicline.shown, json=json)


def _run(source: Tracker, target: Tracker, *, name: str, json: bool) -> None:
    from helicline.cli.transfer.verify import verify

    if source.shown == target.shown:
        raise Invalid("URI", source.shown, "another server than the one it is copied to")
    source.check()
    target.check()
    folder = settings.load().home_path / "transfers"
    with closing(Checkpoint(folder, name, target.shown)) as checkpoint, _bars(quiet=json) as bars:
        job = Job(source, target, checkpoint, bars)
        _copy(job)
        counts = verify(job)
    report = Report(name, target.shown, counts, job.problems)
    as_json(report) if json else _show(report)
    if report.problems:
        sys.exit(1)


def _copy(job: Job) -> None:
    """Copy everything: what others point to comes first, and deleted experiments are deleted last."""
    from helicline.cli.transfer import evaluation, models, runs, traces

    runs.copy_experiments(job)
    _count(job)
    for source_id, target_id in job.experiments.items():
        runs.recover(job, target_id)
        job.side_by_side(lambda run: runs.copy_run(job, run), runs.runs_of(job.source, source_id))
        for model in models.models_of(job.source, source_id):
            models.copy_model(job, model)
    for source_id in job.experiments:
        job.side_by_side(lambda run: runs.end_run(job, run), runs.runs_of(job.source, source_id))
        job.side_by_side(lambda info: traces.copy_trace(job, info), traces.traces_of(job.source, source_id))
        evaluation.copy_scorers(job, source_id)
    evaluation.copy_datasets(job)
    models.copy_registry(job)
    runs.delete_experiments(job)


def _count(job: Job) -> None:
    """Say how much there is to do of what takes long."""
    from helicline.cli.transfer import runs, traces

    for source_id in job.experiments:
        count = sum(1 for _ in runs.runs_of(job.source, source_id))
        for kind in ("runs", "runs finished", "runs verified"):
            job.expect(kind, count)
        job.expect("traces", sum(1 for _ in traces.traces_of(job.source, source_id)))


def _show(report: Report) -> None:
    rows = [
        (kind, source_count, target_count, "" if source_count == target_count else "differs")
        for kind, (source_count, target_count) in report.counts.items()
    ]
    table(f"{report.source} → {report.destination}", ("", "source", "destination", ""), rows)
    if report.problems:
        table(
            "", ("not the same", "", "why"), [(problem.kind, problem.name, problem.why) for problem in report.problems]
        )
        say("Run the command again to copy these once more.")


class Bars:
    """A line on the terminal for each kind; it stands still at the end of what is expected of it."""

    def __init__(self, shown: RichProgress) -> None:
        self._shown, self._lock = shown, threading.Lock()
        self._lines: dict[str, TaskID] = {}
        self._totals: Counter[str] = Counter()

    def step(self, kind: str) -> None:
        with self._lock:
            if kind not in self._lines:
                self._lines[kind] = self._shown.add_task(kind, total=self._totals[kind] or None)
            self._shown.advance(self._lines[kind])

    def expect(self, kind: str, count: int) -> None:
        with self._lock:
            self._totals[kind] += count


@contextmanager
def _bars(*, quiet: bool) -> Iterator[Bars]:
    """Show on standard error how far the copy is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<18}"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as shown:
        yield Bars(shown)
