"""The schema of version 0.1, frozen.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT, INT, FLAG, SMALL = sa.Text(), sa.BigInteger(), sa.Boolean(), sa.Integer()
REAL: sa.Double[float] = sa.Double()
# compared and sorted by bytes on both databases
EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Columns = dict[str, Any]
EXPERIMENT = ("id", "name", "location", "lifecycle", "created_ms", "updated_ms", "tags")


def _noun(name: str, key: Columns, index: Columns) -> None:
    """Create the table of a noun: its key, the indexed columns, and the record as JSON."""
    columns = [sa.Column(field, kind, primary_key=True, autoincrement=False) for field, kind in key.items()]
    columns += [sa.Column(field, kind) for field, kind in index.items()]
    columns += [sa.Column("version", INT, nullable=False), sa.Column("doc", TEXT, nullable=False)]
    op.create_table(name, *columns)
    for field in index:
        op.create_index(f"ix_{name}_{field}", name, [field])


def _rows(
    name: str,
    key: Columns,
    value_columns: Columns,
    *,
    nullable: tuple[str, ...] = (),
    unique: tuple[str, ...] = (),
    rowid: bool = True,
) -> None:
    """Create a table of rows: its key, and its other columns."""
    columns = [sa.Column(field, kind, primary_key=True, autoincrement=False) for field, kind in key.items()]
    columns += [
        sa.Column(field, kind, nullable=field in nullable, unique=field in unique or None)
        for field, kind in value_columns.items()
    ]
    op.create_table(name, *columns, sqlite_with_rowid=rowid)


def upgrade() -> None:
    _nouns()
    _events()
    _models()
    _runs()
    _default_experiment()


def _nouns() -> None:
    _noun("alert", {"deployment": TEXT, "number": INT}, {"state": TEXT, "opened_at": INT})
    _noun(
        "attempt",
        {"id": TEXT},
        {"state": TEXT, "pipeline_run": TEXT, "created_at": INT, "wake_at": INT, "lease_until": INT},
    )
    _noun("dataset", {"name": TEXT}, {})
    _noun("dataset_ref", {"dataset": TEXT, "name": TEXT}, {})
    _noun("dataset_version", {"dataset": TEXT, "id": TEXT}, {"sequence": INT, "created_at": INT})
    _noun("deployment", {"name": TEXT}, {"model": TEXT})
    _noun("gate_report", {"model": TEXT, "number": INT}, {"created_at": INT})
    _noun("gateway_sighting", {"gateway": TEXT, "session": TEXT}, {"seen_at": INT})
    _noun("lease", {"name": TEXT}, {})
    _noun("loop", {"name": TEXT}, {})
    _noun("loop_trigger", {"loop": TEXT, "name": TEXT}, {"wake_at": INT})
    _noun("model_alias", {"model": TEXT, "alias": TEXT}, {"number": INT})
    _noun("model_version", {"model": TEXT, "number": INT}, {"run_id": TEXT, "model_id": TEXT, "created_at": INT})
    _noun("monitor", {"deployment": TEXT, "name": TEXT}, {"wake_at": INT})
    _noun("monitor_window", {"deployment": TEXT, "monitor": TEXT, "end": INT}, {"severity": TEXT})
    _noun("pipeline_run", {"id": TEXT}, {"pipeline": TEXT, "state": TEXT, "created_at": INT, "wake_at": INT})
    _noun("promotion_request", {"id": TEXT}, {"model": TEXT, "state": TEXT})
    _noun("registered_model", {"name": TEXT}, {})
    _noun("revision", {"deployment": TEXT, "number": INT}, {"state": TEXT, "wanted": TEXT})
    _noun("rollout", {"deployment": TEXT, "number": INT}, {"state": TEXT, "wake_at": INT, "created_at": INT})
    _noun("routing", {"id": TEXT}, {})
    _noun("step_cache", {"key": TEXT}, {"step": TEXT})
    _noun("step_run", {"pipeline_run": TEXT, "step": TEXT}, {"key": TEXT})
    _noun("token", {"id": TEXT}, {"secret_sha256": TEXT})
    _noun("turn", {"loop": TEXT, "number": INT}, {"state": TEXT, "created_at": INT, "wake_at": INT})


def _events() -> None:
    _rows("event", {"seq": INT}, {"noun": TEXT, "id": TEXT, "verb": TEXT, "doc": TEXT})
    op.create_index("ix_event_noun_id", "event", ["noun", "id"])
    _rows("event_cursor", {"consumer": TEXT}, {"seq": INT})
    _rows("event_head", {"id": SMALL}, {"seq": INT, "hash": TEXT})


def _models() -> None:
    _rows("artifact", {"path": EXACT}, {"hash": EXACT, "size": INT, "created_ms": INT})
    _rows(
        "experiment",
        {"id": INT},
        {"name": EXACT, "location": EXACT, "lifecycle": EXACT, "created_ms": INT, "updated_ms": INT, "tags": TEXT},
        unique=("name",),
    )
    _rows(
        "logged_model",
        {"id": EXACT},
        {
            "experiment": INT,
            "name": EXACT,
            "model_type": EXACT,
            "run": EXACT,
            "status": EXACT,
            "lifecycle": EXACT,
            "created_ms": INT,
            "updated_ms": INT,
            "artifact_uri": EXACT,
        },
    )
    op.create_index("ix_logged_model_browse", "logged_model", ["experiment", "lifecycle", "created_ms", "id"])
    op.create_index("ix_logged_model_run", "logged_model", ["run"])
    _rows("logged_model_fact", {"model": EXACT, "kind": EXACT, "key": EXACT}, {"value": EXACT})
    _rows(
        "logged_model_metric",
        {"model": EXACT, "key": EXACT, "timestamp_ms": INT, "step": INT, "run": EXACT},
        {"value": REAL, "is_nan": FLAG, "dataset_name": EXACT, "dataset_digest": EXACT},
    )
    _rows(
        "metric_point",
        {"run": EXACT, "key": EXACT, "timestamp_ms": INT, "step": INT, "value": REAL, "is_nan": FLAG},
        {},
        rowid=False,
    )


def _runs() -> None:
    _rows(
        "run",
        {"id": EXACT},
        {
            "experiment": INT,
            "name": EXACT,
            "user": EXACT,
            "status": EXACT,
            "lifecycle": EXACT,
            "start_ms": INT,
            "end_ms": INT,
            "artifact_uri": EXACT,
        },
        nullable=("end_ms",),
    )
    op.create_index("ix_run_browse", "run", ["experiment", "lifecycle", sa.text("start_ms DESC"), "id"])
    _rows(
        "run_dataset",
        {"id": EXACT},
        {"name": EXACT, "digest": EXACT, "source_type": EXACT, "source": EXACT, "schema": EXACT, "profile": EXACT},
    )
    _rows("run_input", {"run": EXACT, "dataset": EXACT}, {"context": EXACT, "tags": TEXT})
    _rows(
        "run_latest",
        {"run": EXACT, "key": EXACT},
        {"timestamp_ms": INT, "step": INT, "value": REAL, "is_nan": FLAG},
        rowid=False,
    )
    op.create_index("ix_run_latest_key_value", "run_latest", ["key", "is_nan", "value", "run"])
    _rows("run_model", {"run": EXACT, "kind": EXACT, "model": EXACT}, {"step": INT})
    _rows("run_param", {"run": EXACT, "key": EXACT}, {"value": EXACT}, rowid=False)
    op.create_index("ix_run_param_key", "run_param", ["key", "run"])
    _rows("run_tag", {"run": EXACT, "key": EXACT}, {"value": EXACT}, rowid=False)
    op.create_index("ix_run_tag_key", "run_tag", ["key", "run"])
    _rows("span", {"trace": EXACT, "id": EXACT}, {"start_ns": INT, "body": TEXT})
    _rows(
        "trace",
        {"id": EXACT},
        {"experiment": INT, "timestamp_ms": INT, "duration_ms": INT, "state": EXACT, "info": TEXT},
        nullable=("duration_ms",),
    )
    op.create_index("ix_trace_browse", "trace", ["experiment", "timestamp_ms", "id"])


def _default_experiment() -> None:
    """Add experiment 0, the default of the stock client."""
    now = time.time_ns() // 1_000_000
    table = sa.table("experiment", *(sa.column(name) for name in EXPERIMENT))
    values = (0, "Default", "mlflow-artifacts:/0", "active", now, now, "{}")
    op.bulk_insert(table, [dict(zip(EXPERIMENT, values, strict=True))])


def downgrade() -> None:
    raise RuntimeError("the first revision cannot be undone; restore a backup")
