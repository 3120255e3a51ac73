"""The order of a copy: what others point to comes first, and deleted experiments are deleted last."""

from __future__ import annotations

from helicline.cli.transfer import models, runs, traces
from helicline.cli.transfer.job import Job
from helicline.cli.transfer.verify import verify


def copied(job: Job) -> dict[str, tuple[int, int]]:
    """Copy everything, count both sides, and return the counts; what failed or differs is in `job.problems`."""
    runs.copy_experiments(job)
    for source_id, target_id in job.experiments.items():
        runs.recover(job, target_id)
        job.side_by_side(lambda run: runs.copy_run(job, run), runs.runs_of(job.source, source_id))
        for model in models.models_of(job.source, source_id):
            models.copy_model(job, model)
    for source_id in job.experiments:
        job.side_by_side(lambda run: runs.end_run(job, run), runs.runs_of(job.source, source_id))
        job.side_by_side(lambda info: traces.copy_trace(job, info), traces.traces_of(job.source, source_id))
    models.copy_registry(job)
    runs.delete_experiments(job)
    return verify(job)
