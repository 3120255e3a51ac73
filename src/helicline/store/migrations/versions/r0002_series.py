"""Metric points by series, and blocks of points; heads of parameters and tags for their index.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INT, FLAG = sa.BigInteger(), sa.Boolean()
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
REAL: sa.Double[float] = sa.Double()
EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _series()
    op.create_table(
        "metric_block",
        sa.Column("series", INT, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("point_count", sa.Integer(), nullable=False),
        sa.Column("first_ms", INT, nullable=False),
        sa.Column("last_ms", INT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.rename_table("metric_point", "metric_point_0001")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX metric_point_pkey RENAME TO metric_point_0001_pkey")
    key: dict[str, Any] = {"series": INT, "timestamp_ms": INT, "step": INT, "value": REAL, "is_nan": FLAG}
    columns: list[sa.Column[Any]] = [
        sa.Column(name, kind, primary_key=True, autoincrement=False) for name, kind in key.items()
    ]
    op.create_table("metric_point", *columns, sqlite_with_rowid=False)
    op.execute(
        "INSERT INTO metric_point SELECT series.id, old.timestamp_ms, old.step, old.value, old.is_nan"
        " FROM metric_point_0001 AS old JOIN series ON series.run = old.run AND series.key = old.key"
    )
    op.drop_table("metric_point_0001")
    for name in ("run_param", "run_tag"):
        op.add_column(name, sa.Column("head", EXACT))
        op.execute(f"UPDATE {name} SET head = substr(value, 1, 60)")
        op.drop_index(f"ix_{name}_key", name)
        op.create_index(f"ix_{name}_head", name, ["key", "head", "run"])


def _series() -> None:
    op.create_table(
        "series",
        sa.Column("id", ID, primary_key=True),
        sa.Column("run", EXACT, nullable=False),
        sa.Column("key", EXACT, nullable=False),
        sa.Column("timestamp_ms", INT, nullable=False),
        sa.Column("step", INT, nullable=False),
        sa.Column("value", REAL, nullable=False),
        sa.Column("is_nan", FLAG, nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("loose_count", sa.Integer(), nullable=False),
        sa.UniqueConstraint("run", "key", name="uq_series_run_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_series_key_value", "series", ["key", "is_nan", "value", "run"])
    op.execute(
        "INSERT INTO series (run, key, timestamp_ms, step, value, is_nan, row_count, loose_count)"
        " SELECT last.run, last.key, last.timestamp_ms, last.step, last.value, last.is_nan,"
        " (SELECT count(*) FROM metric_point AS old WHERE old.run = last.run AND old.key = last.key), 0"
        " FROM run_latest AS last ORDER BY last.run, last.key"
    )
    op.drop_table("run_latest")
