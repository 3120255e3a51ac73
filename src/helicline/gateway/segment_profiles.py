"""Data profiles of sealed files: one a revision and segment, made of its columns; summed where files are merged."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from helicline.gateway.routing_table import RoutingTable
from helicline.monitor import profile
from helicline.serving.prediction_log import profiles as log_profiles
from helicline.serving.prediction_log.columns import Array, answers
from helicline.serving.prediction_log.files import LogFile
from helicline.serving.prediction_log.names import Level
from helicline.serving.prediction_log.seal import OnSealed


def profile_writer(home: Path) -> OnSealed:
    """Return the hook that writes a segment's profiles beside it, on the grids of the reference profiles."""

    def write_profiles(segment: Path, columns: dict[str, Array]) -> None:
        centres = _centres(home)
        answered = np.asarray(columns["status"]) == 200
        served_by = np.asarray(columns["served_by"])
        by_revision = {}
        for revision in np.unique(served_by[answered]).tolist():
            of_revision = answered & (served_by == revision)
            deployment = str(np.asarray(columns["deployment"])[of_revision][0])
            features = {name[2:]: values[of_revision] for name, values in columns.items() if name.startswith("f_")}
            answered_with = answers(*(np.asarray(columns[name])[of_revision] for name in ("prediction", "score")))
            revision_centres = centres.get((deployment, int(revision)))
            revision_profile = profile.build(features, revision_centres, prediction=answered_with)
            by_revision[int(revision)] = profile.encode(revision_profile)
        log_profiles.write(segment, by_revision)

    return write_profiles


def merge_profiles(merged: Path, files: list[LogFile], level: Level) -> None:
    """Write the profiles of a file that is to be merged: one for each minute, or for each hour of a day."""
    width_us = 3_600_000_000 if level == "d" else 60_000_000
    by_time: dict[int, list[log_profiles.Part]] = {}
    for part in sorted(
        (part for file in files for part in log_profiles.parts_of(file)), key=lambda part: part.begun_us
    ):
        by_time.setdefault(part.begun_us // width_us, []).append(part)
    if by_time:
        log_profiles.write_parts(merged, [_merged(parts) for parts in by_time.values()])


def _merged(parts: list[log_profiles.Part]) -> log_profiles.Part:
    revisions = sorted({revision for part in parts for revision in part.by_revision})
    by_revision = {
        revision: _sum([part.by_revision[revision] for part in parts if revision in part.by_revision])
        for revision in revisions
    }
    return log_profiles.Part(parts[0].begun_us, by_revision)


def _sum(profiles: list[bytes]) -> bytes:
    if len(profiles) == 1:
        return profiles[0]
    return profile.encode(profile.merged([profile.decode(content) for content in profiles]))


def _centres(home: Path) -> dict[tuple[str, int], dict[str, float]]:
    desired = RoutingTable(home / "routing").load()
    return {(order.deployment, order.revision): order.centres for order in desired.orders} if desired else {}
