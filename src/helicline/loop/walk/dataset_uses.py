"""Who uses a dataset: the loops that read it or hold it to a contract, and the pipelines that took it in."""

from __future__ import annotations

from datetime import datetime

import msgspec

from helicline.data import versions
from helicline.records.loop import Loop
from helicline.records.pipeline import PipelineRun, RunState
from helicline.store import nouns
from helicline.store.unit import Reader

LOOKED_AT = 500  # newest pipeline runs


class LoopUse(msgspec.Struct, frozen=True, kw_only=True):
    """A loop that uses a dataset: the refs that its pipeline reads, and what else its file says of the dataset.

    `model` is "" where its pipeline makes none.
    """

    loop: str
    model: str
    reads: tuple[str, ...]
    sets_contract: bool
    turns_on_new_data: bool


class PipelineUse(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline with recent runs that took in a version of the dataset, and the newest of them."""

    pipeline: str
    run_count: int
    newest_run: str
    newest_state: RunState
    newest_version: str
    newest_at: datetime


class DatasetUses(msgspec.Struct, frozen=True, kw_only=True):
    loops: list[LoopUse]
    pipelines: list[PipelineUse]


def uses_of(tx: Reader, dataset: str) -> DatasetUses:
    """Return who uses a dataset. Raises NotFound for an unknown one."""
    versions.versions(tx, dataset, limit=1)
    order = [nouns.PIPELINE_RUNS.table.c.created_at.desc()]
    runs = nouns.PIPELINE_RUNS.select(tx, order=order, limit=LOOKED_AT)
    return DatasetUses(
        loops=[use for loop in nouns.LOOPS.select(tx) if (use := _use_by(loop, dataset)) is not None],
        pipelines=_pipelines(runs, dataset),
    )


def _use_by(loop: Loop, dataset: str) -> LoopUse | None:
    spec = loop.spec
    sources = {source.dataset for step in spec.pipeline.steps for source in step.inputs.values() if source.dataset}
    use = LoopUse(
        loop=loop.name,
        model=spec.model if spec.pipeline.candidate else "",
        reads=tuple(sorted(source for source in sources if _name_of(source) == dataset)),
        sets_contract=any(contract.dataset == dataset for contract in spec.contracts),
        turns_on_new_data=any(
            trigger.kind == "new_data" and dataset in map(_name_of, {trigger.dataset} if trigger.dataset else sources)
            for trigger in spec.triggers
        ),
    )
    return use if use.reads or use.sets_contract or use.turns_on_new_data else None


def _name_of(ref: str) -> str:
    return ref.partition("@")[0]


def _pipelines(runs: list[PipelineRun], dataset: str) -> list[PipelineUse]:
    """Return the pipelines of runs, which are listed newest first."""
    by_pipeline: dict[str, list[tuple[PipelineRun, str]]] = {}
    for run in runs:
        version = next((ref for ref in run.inputs.values() if _name_of(ref) == dataset), "")
        if version:
            by_pipeline.setdefault(run.pipeline, []).append((run, version))
    return [
        PipelineUse(
            pipeline=pipeline,
            run_count=len(taken_in),
            newest_run=taken_in[0][0].id,
            newest_state=taken_in[0][0].state,
            newest_version=taken_in[0][1],
            newest_at=taken_in[0][0].created_at,
        )
        for pipeline, taken_in in by_pipeline.items()
    ]
