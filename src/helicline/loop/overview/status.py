"""Where the circle stands now: the stations of the ring, and what needs a person."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from helicline.loop.overview.needs import Need, needs_of
from helicline.monitor import alerting
from helicline.records.loop import ACTIVE
from helicline.serving import deployments, gateways
from helicline.store import nouns
from helicline.store.noun import column_value
from helicline.store.rows import event as events
from helicline.store.unit import Reader

LOADED_OR_LOADING = ("READY", "PENDING", "LOADING")


class Station(msgspec.Struct, frozen=True, kw_only=True):
    """One station of the ring: how many things are there, how many move, how many are in trouble."""

    name: str
    count: int
    moving: int
    trouble: int
    sentence: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    stations: list[Station]
    needs: list[Need]
    seq: int
    gateway_seen_s: float | None = None


def read(tx: Reader, *, version: str) -> Status:
    """Return the state of the whole circle."""
    newest = gateways.sightings(tx)[:1]
    return Status(
        version=version,
        stations=[_data(tx), _train(tx), _register(tx), _gate(tx), _serve(tx), _watch(tx), _retrain(tx)],
        needs=needs_of(tx),
        seq=events.head(tx)[0],
        gateway_seen_s=(tx.now - newest[0].seen_at).total_seconds() if newest else None,
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _data(tx: Reader) -> Station:
    count = nouns.DATASETS.count(tx)
    versions = nouns.DATASET_VERSIONS.count(tx)
    sentence = f"{_counted(count, 'dataset')}, {_counted(versions, 'version')}"
    return Station(name="Data", count=versions, moving=0, trouble=0, sentence=sentence)


def _train(tx: Reader) -> Station:
    column = nouns.PIPELINE_RUNS.table.c
    moving = nouns.PIPELINE_RUNS.count(tx, column.state.in_(("QUEUED", "RUNNING", "CANCELLING")))
    count = nouns.PIPELINE_RUNS.count(tx)
    recent = column.created_at > column_value(tx.now - timedelta(days=1))
    trouble = nouns.PIPELINE_RUNS.count(tx, column.state == "FAILED", recent)
    return Station(
        name="Train",
        count=count,
        moving=moving,
        trouble=trouble,
        sentence=f"{_counted(count, 'pipeline run')}, {moving} running",
    )


def _register(tx: Reader) -> Station:
    count = nouns.VERSIONS.count(tx)
    models = nouns.MODELS.count(tx)
    sentence = f"{_counted(models, 'model')}, {_counted(count, 'version')}"
    return Station(name="Register", count=count, moving=0, trouble=0, sentence=sentence)


def _gate(tx: Reader) -> Station:
    column = nouns.TURNS.table.c
    stopped = nouns.TURNS.count(tx, column.state == "REJECTED")
    moving = nouns.TURNS.count(tx, column.state.in_(("GATING", "APPROVING")))
    count = nouns.REPORTS.count(tx)
    return Station(
        name="Gate", count=count, moving=moving, trouble=0, sentence=f"{_counted(count, 'report')}, {stopped} stopped"
    )


def _serve(tx: Reader) -> Station:
    rollouts = nouns.ROLLOUTS.table.c
    serving = deployments.serving(tx)
    count = len(serving)
    moving = nouns.ROLLOUTS.count(tx, rollouts.state.in_(deployments.ACTIVE))
    stable = [row.stable for row in serving if row.deployment.stable]
    down = sum(1 for revision in stable if revision is None or revision.state not in LOADED_OR_LOADING)
    sentence = f"{_counted(count, 'deployment')}, {_counted(moving, 'rollout')} under way"
    return Station(name="Serve", count=count, moving=moving, trouble=down, sentence=sentence)


def _watch(tx: Reader) -> Station:
    column = nouns.ALERTS.table.c
    firing = nouns.ALERTS.count(tx, column.state.in_(alerting.OPEN))
    count = nouns.MONITORS.count(tx)
    return Station(
        name="Watch", count=count, moving=0, trouble=firing, sentence=f"{_counted(count, 'monitor')}, {firing} firing"
    )


def _retrain(tx: Reader) -> Station:
    column = nouns.TURNS.table.c
    count = nouns.TURNS.count(tx)
    moving = nouns.TURNS.count(tx, column.state.in_(ACTIVE))
    return Station(
        name="Retrain", count=count, moving=moving, trouble=0, sentence=f"{_counted(count, 'turn')}, {moving} under way"
    )
