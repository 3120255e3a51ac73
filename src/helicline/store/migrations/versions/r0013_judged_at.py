"""Windows of monitors are in the order in which they were judged: one whose labels came late ends before earlier ones.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

WINDOW = sa.table("monitor_window", sa.column("end"), sa.column("judged_at"))


def upgrade() -> None:
    op.add_column("monitor_window", sa.Column("judged_at", sa.BigInteger()))
    op.get_bind().execute(WINDOW.update().values(judged_at=WINDOW.c.end))
    op.create_index(
        "ix_monitor_window_deployment_monitor_judged_at", "monitor_window", ["deployment", "monitor", "judged_at"]
    )
