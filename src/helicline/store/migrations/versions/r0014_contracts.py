"""Contracts of datasets; versions of datasets are found by their state.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

VERSION = sa.table(
    "dataset_version", sa.column("dataset"), sa.column("id"), sa.column("state"), sa.column("doc", sa.Text)
)
CURSOR = sa.table("event_cursor", sa.column("consumer"), sa.column("seq"))


def upgrade() -> None:
    op.create_table(
        "dataset_contract",
        sa.Column("dataset", sa.Text(), primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("doc", sa.Text(), nullable=False),
    )
    op.add_column("dataset_version", sa.Column("state", sa.Text()))
    connection = op.get_bind()
    connection.execute(VERSION.update().values(state="published"))
    for dataset, version, doc in connection.execute(sa.select(VERSION.c.dataset, VERSION.c.id, VERSION.c.doc)).all():
        state = json.loads(doc).get("state", "published")
        if state != "published":
            at = (VERSION.c.dataset == dataset, VERSION.c.id == version)
            connection.execute(VERSION.update().where(*at).values(state=state))
    # no check was asked for before: what happened needs not to be heard
    heard = sa.select(sa.literal("audits"), CURSOR.c.seq).where(CURSOR.c.consumer == "triggers")
    connection.execute(CURSOR.insert().from_select(["consumer", "seq"], heard))
    op.create_index("ix_dataset_version_state", "dataset_version", ["state"])
