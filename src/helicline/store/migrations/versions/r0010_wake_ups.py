"""Rows that wait for an event have no `wake_at`; columns and indexes by which views find rows without a scan.

An ended turn is never due. A rejected one stays due: it is looked at once more, and then rests.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ENDED = ("PROMOTED", "ROLLED_BACK", "FAILED", "UNCHANGED", "CANCELLED")
BATCH_SIZE = 2000
TURN = sa.table(
    "turn",
    sa.column("loop"),
    sa.column("number"),
    sa.column("state"),
    sa.column("wake_at"),
    sa.column("model_version"),
    sa.column("doc", sa.Text),
)
VERSION = sa.table(
    "model_version",
    sa.column("model"),
    sa.column("number"),
    sa.column("deleted", sa.Boolean),
    sa.column("doc", sa.Text),
)
CURSOR = sa.table("event_cursor", sa.column("consumer"), sa.column("seq"))


def upgrade() -> None:
    op.add_column("turn", sa.Column("model_version", sa.BigInteger()))
    op.add_column("model_version", sa.Column("deleted", sa.Boolean()))
    connection = op.get_bind()
    _rewrite(connection, TURN, key=("loop", "number"), values_of=_turn)
    _rewrite(connection, VERSION, key=("model", "number"), values_of=_version)
    connection.execute(TURN.update().where(TURN.c.state.in_(ENDED)).values(wake_at=None))
    op.create_index("ix_turn_model_version", "turn", ["model_version"])
    op.create_index("ix_turn_loop_state_number", "turn", ["loop", "state", "number"])
    # what happened before needs no wake-up: every row that may move is due
    heard = sa.select(sa.literal("wake_ups"), CURSOR.c.seq).where(CURSOR.c.consumer == "triggers")
    connection.execute(CURSOR.insert().from_select(["consumer", "seq"], heard))


def _rewrite(connection: sa.Connection, table: Any, *, key: tuple[str, str], values_of: Any) -> None:
    """Set columns of every row by its document."""
    first, second = (table.c[name] for name in key)
    last: tuple[Any, Any] = ("", -1)
    changed = table.update().where(first == sa.bindparam("at"), second == sa.bindparam("at_number"))
    while rows := connection.execute(
        sa.select(first, second, table.c.doc)
        .where(sa.tuple_(first, second) > sa.tuple_(sa.literal(last[0]), sa.literal(last[1])))
        .order_by(first, second)
        .limit(BATCH_SIZE)
    ).all():
        values = [{"at": row[0], "at_number": row[1], **values_of(row.doc)} for row in rows]
        names = [name for name in values[0] if not name.startswith("at")]
        connection.execute(changed.values({name: sa.bindparam(f"new_{name}") for name in names}), [
            {"at": row["at"], "at_number": row["at_number"]} | {f"new_{name}": row[name] for name in names}
            for row in values
        ])  # fmt: skip
        last = (rows[-1][0], rows[-1][1])


def _turn(doc: str) -> dict[str, Any]:
    turn = json.loads(doc)
    if turn["state"] in ENDED:
        turn["wake_at"] = None
    return {"model_version": turn.get("model_version", 0), "doc": json.dumps(turn)}


def _version(doc: str) -> dict[str, Any]:
    return {"deleted": json.loads(doc).get("deleted", False), "doc": doc}
