"""The datasets of a run have the order in which they were logged.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run_input", sa.Column("position", sa.BigInteger, nullable=False, server_default="0"))
