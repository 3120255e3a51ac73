"""Follows the labelled predictions of a rollout: each look reads the files that came since the last one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from helicline.serving.prediction_log import sql
from helicline.serving.prediction_log.files import (
    LogFile,
    again_when_merged,
    holding_some,
    label_files,
    listed,
    paths_of,
    replaced_by,
)
from helicline.serving.prediction_log.labels import latest_labels
from helicline.serving.prediction_log.names import id_span

_WAITS_FOR = timedelta(days=1)  # a label may come before its prediction, or never belong to one
_Key = tuple[str, int]


class Labelled(NamedTuple):
    """A row of a prediction with its latest label."""

    stage: int
    variant: str
    prediction: str
    label: str


class _Label(NamedTuple):
    received_at: np.datetime64
    value: str


class _Row(NamedTuple):
    stage: int
    variant: str
    prediction: str


class Change(NamedTuple):
    """A row that got a label, and what it was before where it had one."""

    before: Labelled | None
    after: Labelled


class _Look(NamedTuple):
    """What one look at the files read."""

    labels: dict[_Key, _Label]
    rows: dict[_Key, _Row]
    label_paths: set[Path]
    prediction_paths: set[Path]


class Follower:
    """The labelled predictions of one rollout; all that it keeps can be read again from the log."""

    def __init__(self, home: Path, deployment: str, *, rollout: int, since: datetime, label: str) -> None:
        self._home, self._deployment, self._rollout = home, deployment, rollout
        self._since, self._label = since, label
        self._rows: dict[_Key, _Row] = {}
        self._labels: dict[_Key, _Label] = {}
        self._waiting: dict[_Key, _Label] = {}
        self._read_labels: set[Path] = set()
        self._read_predictions: set[Path] = set()

    def changes(self) -> list[Change]:
        """Return what changed since the last look; the last label of a row wins."""
        look = self._look()
        self._read_labels, self._read_predictions = look.label_paths, look.prediction_paths
        changes = [
            self._label_row(key, row, look.labels.pop(key) if key in look.labels else self._waiting[key])
            for key, row in look.rows.items()
        ]
        for key, label in look.labels.items():
            if (known_row := self._rows.get(key)) is None:
                self._wait(key, label)
            elif label.received_at > self._labels[key].received_at:
                changes.append(self._label_row(key, known_row, label))
        self._forget()
        return changes

    def _label_row(self, key: _Key, row: _Row, label: _Label) -> Change:
        waiting = self._waiting.pop(key, label)
        label = max(label, waiting, key=lambda each_label: each_label.received_at)
        before = self._labels.get(key)
        self._rows[key], self._labels[key] = row, label
        return Change(Labelled(*row, before.value) if before else None, Labelled(*row, label.value))

    def _wait(self, key: _Key, label: _Label) -> None:
        waiting = self._waiting.get(key, label)
        self._waiting[key] = max(waiting, label, key=lambda each_label: each_label.received_at)

    def _forget(self) -> None:
        """Forget labels that waited long, counted by the time of the last one that came."""
        newest = max((label.received_at for label in self._waiting.values()), default=None)
        if newest is not None:
            end = newest - np.timedelta64(_WAITS_FOR)
            self._waiting = {key: label for key, label in self._waiting.items() if label.received_at >= end}

    @again_when_merged
    def _look(self) -> _Look:
        """Read the labels that came, and the predictions of them and of those that wait; change nothing."""
        feedback = label_files(self._home, self._deployment, self._since)
        calls = listed(self._home, "predictions", deployment=self._deployment, since=self._since)
        labels = self._fresh_labels(unread(feedback, self._read_labels))
        fresh = {prediction_id for prediction_id, row in labels.keys() - self._rows.keys()}
        waiting = {prediction_id for prediction_id, _ in self._waiting}
        # those that wait were looked for in all files but the new ones
        unread_calls = unread(calls, self._read_predictions)
        rows = self._fresh_rows(holding_some(calls, id_span(fresh)), fresh)
        rows |= self._fresh_rows(holding_some(unread_calls, id_span(waiting)), waiting)
        wanted_keys = (labels.keys() | self._waiting.keys()) - self._rows.keys()
        rows = {key: row for key, row in rows.items() if key in wanted_keys}
        return _Look(labels, rows, set(paths_of(feedback)), set(paths_of(calls)))

    def _fresh_labels(self, files: list[LogFile]) -> dict[_Key, _Label]:
        if not files:
            return {}
        columns = sql.fetch(latest_labels(paths_of(files), name=self._label))
        rows = zip(*(columns[name] for name in ("prediction_id", "row", "received_ts", "value")), strict=True)
        return {(str(prediction_id), int(row)): _Label(at, str(value)) for prediction_id, row, at, value in rows}

    def _fresh_rows(self, files: list[LogFile], prediction_ids: set[str]) -> dict[_Key, _Row]:
        if not files or not prediction_ids:
            return {}
        columns = sql.fetch(
            f"""SELECT prediction_id, row, stage, variant, prediction FROM {sql.parquet(paths_of(files))}
                WHERE status = 200 AND rollout = {int(self._rollout)} AND ts >= {sql.timestamp(self._since)}
                AND prediction_id IN (SELECT prediction_id FROM wanted)""",
            wanted={"prediction_id": np.array(sorted(prediction_ids), dtype=object)},
        )
        rows = zip(*(columns[name] for name in ("prediction_id", "row", "stage", "variant", "prediction")), strict=True)
        return {
            (str(prediction_id), int(row)): _Row(int(stage), str(variant), str(prediction))
            for prediction_id, row, stage, variant, prediction in rows
        }


def unread(files: Iterable[LogFile], read: set[Path]) -> list[LogFile]:
    """Return the files that were not read, nor merged of files that all were read."""
    return [file for file in files if file.path not in read and not _was_read(file, read)]


def _was_read(file: LogFile, read: set[Path]) -> bool:
    listing = None if file.name.level == "s" else replaced_by(file.path)
    return listing is not None and all(file.path.with_name(name) in read for name in listing.names)
