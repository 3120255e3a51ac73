"""What a monitor watches."""

from __future__ import annotations

from datetime import datetime

import msgspec

from helicline.records.deployment import Deployment, Revision


class Subject(msgspec.Struct, frozen=True):
    """The subject of a monitor: the revision that serves, since when, and its drift reference."""

    deployment: Deployment
    revision: Revision
    since: datetime
    reference: str
