"""Profiles of what was just logged, made while it is still in memory, one a revision."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from helicline.gateway.routing import Routing
from helicline.monitor import profile
from helicline.serving import log_profiles
from helicline.serving.log_columns import Array
from helicline.serving.log_seal import OnSealed


def keeper(home: Path) -> OnSealed:
    """Return the hook that leaves a segment's profiles beside it, on the grids that the references fixed."""

    def keep(segment: Path, columns: dict[str, Array]) -> None:
        centres = _centres(home)
        answered = np.asarray(columns["status"]) == 200
        served_by = np.asarray(columns["served_by"])
        by_revision = {}
        for revision in np.unique(served_by[answered]).tolist():
            mine = answered & (served_by == revision)
            deployment = str(np.asarray(columns["deployment"])[mine][0])
            features = {name[2:]: values[mine] for name, values in columns.items() if name.startswith("f_")}
            built = profile.build(features, centres.get((deployment, int(revision))))
            by_revision[int(revision)] = profile.encode(built)
        log_profiles.write(segment, by_revision)

    return keep


def _centres(home: Path) -> dict[tuple[str, int], dict[str, float]]:
    desired = Routing(home / "routing").restore()
    return {(order.deployment, order.revision): order.centres for order in desired.orders} if desired else {}
