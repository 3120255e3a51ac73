"""Renames the table run_sheet to run_summary, and the outcome of a turn and of a leg to result.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.rename_table("run_sheet", "run_summary")
    if not op.get_context().as_sql and op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX run_sheet_pkey RENAME TO run_summary_pkey")
    turn = sa.table("turn", sa.column("loop"), sa.column("number"), sa.column("doc", sa.Text))
    connection = op.get_bind()
    for loop, number, doc in connection.execute(sa.select(turn.c.loop, turn.c.number, turn.c.doc)).all():
        renamed = json.dumps(_renamed(json.loads(doc)))
        connection.execute(turn.update().where(turn.c.loop == loop, turn.c.number == number).values(doc=renamed))


def _renamed(document: dict[str, Any]) -> dict[str, Any]:
    legs = [_with_result(leg) for leg in document.get("legs", ())]
    return _with_result(document) | {"legs": legs}


def _with_result(document: dict[str, Any]) -> dict[str, Any]:
    return {"result" if key == "outcome" else key: value for key, value in document.items()}
