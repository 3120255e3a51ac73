"""Evaluation datasets, scorers, webhooks and their deliveries.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT, INT = sa.Text(), sa.BigInteger()
NOUNS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "evaluation_dataset": ({"id": TEXT}, {"name": TEXT, "created_at": INT}),
    "evaluation_record": ({"dataset": TEXT, "id": TEXT}, {"inputs_hash": TEXT, "created_at": INT}),
    "scorer_version": ({"experiment": TEXT, "name": TEXT, "number": INT}, {"scorer_id": TEXT}),
    "webhook": ({"id": TEXT}, {"created_at": INT}),
    "webhook_delivery": ({"id": TEXT}, {"webhook": TEXT, "state": TEXT, "wake_at": INT}),
}


def upgrade() -> None:
    for name, (key, index) in NOUNS.items():
        columns = [sa.Column(field, kind, primary_key=True, autoincrement=False) for field, kind in key.items()]
        columns += [sa.Column(field, kind) for field, kind in index.items()]
        columns += [sa.Column("version", INT, nullable=False), sa.Column("doc", TEXT, nullable=False)]
        op.create_table(name, *columns)
        for field in index:
            op.create_index(f"ix_{name}_{field}", name, [field])


def downgrade() -> None:
    for name in NOUNS:
        op.drop_table(name)
