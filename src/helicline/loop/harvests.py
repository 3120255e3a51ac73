"""Harvests: what one reaches to, what the last one took, and their publication when a turn promotes (note 0034).

A harvest is a draft. The ref of the dataset moves to it only with the promotion of the version that learned from it:
the rows of a turn that was rejected or rolled back are taken again by the next one.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from helicline import bus
from helicline.data import contracts, versions
from helicline.errors import Invalid
from helicline.loop.monitors import broken_data, monitor_windows
from helicline.records.dataset import DatasetVersion
from helicline.records.loop import Loop, Turn
from helicline.records.pipeline import HarvestSpan, HarvestSpec
from helicline.store import nouns
from helicline.store.unit import Reader, Tx

START = datetime.fromtimestamp(0, UTC)


def dataset_of(loop: Loop) -> str:
    """Return the dataset that rows are added to, as `name@ref`: the first one that the pipeline reads.

    Raises:
        Invalid: it reads none.
    """
    reads = [source.dataset for step in loop.spec.pipeline.steps for source in step.inputs.values() if source.dataset]
    if not reads:
        raise Invalid(f"loop {loop.name}", "no dataset", "a pipeline that reads hl.dataset(...) to add rows to")
    return reads[0]


def span_now(tx: Reader, loop: Loop) -> HarvestSpan:
    """Return what a harvest may reach to now: no prediction that the monitors of the inputs have not looked at."""
    moments = [monitor.watched_until or START for monitor in broken_data.monitors_of_inputs(tx, loop.spec.deployment)]
    return HarvestSpan(labels_until=tx.now, predictions_until=min([tx.now, *moments]))


def last_published(tx: Reader, loop: Loop) -> HarvestSpan | None:
    """Return what the last published harvest of a loop reached to, None where there was none."""
    if loop.harvested is not None:
        return loop.harvested
    column = nouns.TURNS.table.c
    for turn in nouns.TURNS.select(tx, column.loop == loop.name, order=[column.number.desc()]):
        leg = next((leg for leg in turn.legs if leg.name == "data"), None)
        if leg is not None and turn.dataset_version and not turn.dataset_is_draft:  # of releases without drafts
            return HarvestSpan(labels_until=leg.started_at, predictions_until=leg.started_at)
    return None


def spec_of(tx: Reader, loop: Loop, turn: Turn) -> HarvestSpec:
    """Return the harvest of a turn, complete for a worker."""
    dataset, _, ref = dataset_of(loop).partition("@")
    subject = monitor_windows.subject_of(tx, loop.spec.deployment)
    inputs = [monitor.spec for monitor in broken_data.monitors_of_inputs(tx, loop.spec.deployment)]
    return HarvestSpec(
        dataset=dataset,
        ref=ref,
        deployment=loop.spec.deployment,
        label=loop.spec.label,
        since=last_published(tx, loop),
        until=turn.harvested or span_now(tx, loop),
        reference=subject.reference if subject else "",
        monitor=next((spec for spec in inputs if spec.kind == "quality"), None),
        message=f"labelled production rows: {turn.cause.sentence}",
        turn=turn.id,
    )


def publish(tx: Tx, loop: Loop, turn: Turn) -> Turn:
    """Point the ref to what a promoted turn harvested, and return the turn.

    Where the ref has moved since, or a contract was set that the rows were not checked by, it stays: the rows are not
    lost, the next harvest takes them again.
    """
    version = versions.resolve(tx, turn.dataset_version)
    inputs = nouns.PIPELINE_RUNS.get(tx, turn.pipeline_run).inputs  # the loop may read another dataset by now
    read = next((name for name, pinned in inputs.items() if pinned == turn.dataset_version), "")
    ref = read.partition("@")[2] or "main"
    unchecked = contracts.why_not(tx, version, ref)
    if unchecked or not versions.publish(tx, version, ref=ref):
        why = f"{unchecked or f'{version.dataset}@{ref} has moved since'}; the next harvest takes these rows again"
        bus.emit(tx, "not_published", "dataset_version", version.ref, turn=turn.id, why=why)
        return turn
    nouns.LOOPS.swap(tx, msgspec.structs.replace(loop, harvested=turn.harvested))
    return msgspec.structs.replace(turn, dataset_is_draft=False)


def note_publication(tx: Tx, version: DatasetVersion) -> None:
    """Record that a draft was published by hand: the next harvest takes none of its rows again."""
    name, _, number = version.turn.rpartition("~")
    turn = nouns.TURNS.find(tx, name, int(number)) if number.isdecimal() else None
    if turn is None or turn.harvested is None or not turn.dataset_is_draft or turn.dataset_version != version.ref:
        return
    nouns.TURNS.swap(tx, msgspec.structs.replace(turn, dataset_is_draft=False))
    loop = nouns.LOOPS.get(tx, name)
    if loop.harvested is None or loop.harvested.labels_until < turn.harvested.labels_until:
        nouns.LOOPS.swap(tx, msgspec.structs.replace(loop, harvested=turn.harvested))
