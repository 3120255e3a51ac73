"""Points that are not in a block are stored by run, in the order of arrival (note 0010).

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from itertools import groupby, islice
from typing import Any

import numpy as np
import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TAIL = np.dtype([("series", "<i8"), ("timestamp_ms", "<i8"), ("step", "<i8"), ("value", "<f8")])
BATCH_SIZE = 4096


def upgrade() -> None:
    tail = op.create_table(
        "metric_tail",
        sa.Column("run", EXACT, primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("point_count", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    every = sa.text(
        "SELECT series.run, point.series, point.timestamp_ms, point.step, point.value, point.is_nan"
        " FROM metric_point AS point JOIN series ON series.id = point.series ORDER BY series.run, point.series"
    )
    points: Any = connection.execute(every, execution_options={"yield_per": BATCH_SIZE})
    for run, rows in groupby(points, key=lambda row: row.run):
        number = 0
        while part := list(islice(rows, BATCH_SIZE)):
            number += 1
            points = [(row[1], row[2], row[3], float("nan") if row.is_nan else row.value) for row in part]
            body = np.array(points, dtype=TAIL).tobytes()
            connection.execute(tail.insert(), {"run": run, "number": number, "point_count": len(part), "body": body})
    op.drop_table("metric_point")
    op.drop_column("series", "row_count")
