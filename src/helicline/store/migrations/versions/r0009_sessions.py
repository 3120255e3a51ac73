"""Sessions of people in a browser.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "session",
        sa.Column("id", sa.Text(), primary_key=True, autoincrement=False),
        sa.Column("secret_sha256", sa.Text()),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("doc", sa.Text(), nullable=False),
    )
    for field in ("secret_sha256", "expires_at"):
        op.create_index(f"ix_session_{field}", "session", [field])
