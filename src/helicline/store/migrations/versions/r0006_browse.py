"""On SQLite the index for the order of runs also covers the columns of the most frequent filters.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.drop_index("ix_run_browse", "run")
        order = ("experiment", "lifecycle", sa.text("start_ms DESC"), "id")
        op.create_index("ix_run_scan", "run", [*order, "status", "name", "end_ms"])
