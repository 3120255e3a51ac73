"""What people were told of, by channel.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notification",
        sa.Column("channel", sa.Text(), primary_key=True, autoincrement=False),
        sa.Column("need", sa.Text(), primary_key=True, autoincrement=False),
        sa.Column("state", sa.Text()),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("doc", sa.Text(), nullable=False),
    )
    op.create_index("ix_notification_state", "notification", ["state"])
