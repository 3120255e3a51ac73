"""Indexes by which the views of pipeline runs find the newest, and those that failed lately, without a scan.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for first in ("pipeline", "state"):
        op.create_index(f"ix_pipeline_run_{first}_created_at", "pipeline_run", [first, "created_at"])
