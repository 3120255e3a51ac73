"""Data profiles of a sealed segment, one a revision, made while its columns are still in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from helicline.gateway.routing_table import RoutingTable
from helicline.monitor import profile
from helicline.serving.prediction_log import profiles as log_profiles
from helicline.serving.prediction_log.columns import Array
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
            revision_profile = profile.build(features, centres.get((deployment, int(revision))))
            by_revision[int(revision)] = profile.encode(revision_profile)
        log_profiles.write(segment, by_revision)

    return write_profiles


def _centres(home: Path) -> dict[tuple[str, int], dict[str, float]]:
    desired = RoutingTable(home / "routing").load()
    return {(order.deployment, order.revision): order.centres for order in desired.orders} if desired else {}
