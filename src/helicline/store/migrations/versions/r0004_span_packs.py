"""Spans as packs of protobuf (note 0013).

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BATCH_SIZE = 200


def upgrade() -> None:
    table = op.create_table(
        "span_pack",
        sa.Column("trace", EXACT, primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    packs: list[dict[str, Any]] = []
    connection = op.get_bind()
    every = sa.text("SELECT trace, body FROM span ORDER BY trace, start_ns, id")
    spans: Any = connection.execute(every, execution_options={"yield_per": 1000})
    for trace, rows in groupby(spans, key=lambda row: row.trace):
        pack = ParseDict({"spans": [json.loads(row.body) for row in rows]}, ScopeSpans())
        packs.append({"trace": trace, "number": 0, "body": pack.SerializeToString()})
        if len(packs) == BATCH_SIZE:
            connection.execute(table.insert(), packs)
            packs = []
    if packs:
        connection.execute(table.insert(), packs)
    op.drop_table("span")
