"""Very many runs, written straight into the store of a home: what the wire would take minutes for."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from helicline.clock import epoch_ms
from helicline.store.database import Store
from helicline.store.rows import metric, run
from helicline.store.unit import Tx

PIECE = 5_000


def seed(store: Store, experiment_id: str, count: int, *, began_ms: int | None = None) -> None:
    """Add `count` finished runs of an experiment: two metrics, three parameters, a name."""
    chance = random.Random(7)
    for start in range(0, count, PIECE):
        numbers = range(start, min(start + PIECE, count))

        def unit(tx: Tx, numbers: range = numbers) -> None:
            now = epoch_ms(tx.now) if began_ms is None else began_ms
            for table, rows in _rows(numbers, experiment_id, now, chance):
                tx.execute(table.insert(), rows)

        store.write(unit)


def _rows(numbers: range, experiment: str, now: int, chance: random.Random) -> Iterator[tuple[Any, list[Any]]]:
    ids = {number: f"{int(experiment):08x}{number:024x}" for number in numbers}
    yield run.RUN, [_run(number, ids[number], experiment, now) for number in numbers]
    params = [_params(number, chance) for number in numbers]
    for table, facts in ((run.RUN_PARAM, params), (run.RUN_TAG, [{"mlflow.runName": f"run-{n:06}"} for n in numbers])):
        yield (
            table,
            [
                {"run": ids[number], "key": key, "value": value, "head": value}
                for number, pairs in zip(numbers, facts, strict=True)
                for key, value in pairs.items()
            ],
        )
    for key in ("loss", "accuracy"):
        yield metric.SERIES, [_point(ids[number], key, chance.random(), now) for number in numbers]


def _run(number: int, run_id: str, experiment: str, now: int) -> dict[str, Any]:
    began = now - number * 1000
    return {
        "id": run_id, "experiment": int(experiment), "name": f"run-{number:06}", "user": "seed", "status": "FINISHED",
        "lifecycle": "active", "start_ms": began, "end_ms": began + 900,
        "artifact_uri": f"mlflow-artifacts:/{experiment}/{run_id}/artifacts",
    }  # fmt: skip


def _params(number: int, chance: random.Random) -> dict[str, str]:
    return {"model": ("tree", "linear", "boosted")[number % 3], "lr": f"{chance.random():.4f}", "seed": "1"}


def _point(run_id: str, key: str, value: float, now: int) -> dict[str, Any]:
    latest = {"timestamp_ms": now, "step": 0, "value": value, "is_nan": False}
    return {"run": run_id, "key": key, **latest, "loose_count": 0}
