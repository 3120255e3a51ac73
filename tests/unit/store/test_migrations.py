"""Migrations: the frozen revisions give the very schema that the code declares, on both databases."""

import json
import subprocess
import sys
import threading

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from helicline.errors import Invalid
from helicline.store import migrations
from helicline.store.database import Store
from helicline.store.migrations import HEAD, revision_of, upgrade
from helicline.store.noun import metadata
from helicline.store.rows import metric
from helicline.trace import trace_spans

POINT = {"timestamp_ms": 1, "step": 0, "value": 1.5, "is_nan": False, "run": "r", "key": "a"}
OLD_ROWS = {
    "event_cursor": [{"consumer": "x", "seq": 7}],
    "metric_point": [POINT, POINT | {"step": 1, "value": 2.5}, POINT | {"key": "b", "value": 0.0}],
    "run_latest": [POINT | {"step": 1, "value": 2.5}, POINT | {"key": "b", "value": 0.0}],
}


@pytest.fixture
def bare(database_url):
    """A database without any table."""
    store = Store(database_url)
    drop(store)
    yield store
    drop(store)
    upgrade(store)
    store.close()


def drop(store):
    with store.engine.begin() as connection:
        for name in sa.inspect(connection).get_table_names():
            connection.exec_driver_sql(f'DROP TABLE "{name}"')


def differences(store):
    with store.engine.connect() as connection:
        dialect = connection.dialect.name
        options = {
            "compare_type": True,
            "compare_server_default": True,
            # an index that is made for one database only is not looked for in the other
            "include_object": lambda element, *_: getattr(element, "info", {}).get("only", dialect) == dialect,
        }
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


def schema(store):
    """All that the database tells of its tables."""
    with store.engine.connect() as connection:
        look = sa.inspect(connection)
        return {
            name: (
                [(column["name"], str(column["type"]), column["nullable"]) for column in look.get_columns(name)],
                look.get_pk_constraint(name)["constrained_columns"],
                sorted((index["name"], index["column_names"], index["unique"]) for index in look.get_indexes(name)),
                sorted(constraint["column_names"] for constraint in look.get_unique_constraints(name)),
            )
            for name in look.get_table_names()
            if name != "alembic_version"
        }


def revision(store):
    with store.engine.connect() as connection:
        return revision_of(connection)


def test_an_empty_database_gets_the_schema_that_the_code_declares(bare):
    upgrade(bare)
    assert revision(bare) == HEAD
    assert differences(bare) == []


def test_the_experiment_that_clients_log_to_by_default_is_there(bare):
    upgrade(bare)
    with bare.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT id, name FROM experiment").all() == [(0, "Default")]


def test_the_revisions_and_the_declarations_make_the_same_tables(bare):
    upgrade(bare)
    migrated = schema(bare)
    drop(bare)
    metadata.create_all(bare.engine)
    assert migrated == schema(bare)


def test_tables_that_need_no_rowid_have_none(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'meta.db'}")
    upgrade(store)
    with store.engine.connect() as connection:
        text = dict(connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'").all())
    bare = {name for name, sql in text.items() if "WITHOUT ROWID" in sql}
    store.close()
    assert bare == {"metric_tail", "run_param", "run_summary", "run_tag"}


def test_the_points_of_the_first_schema_are_kept(bare):
    with bare.engine.begin() as connection:
        migrations._migrate(connection, "0001")
        for name in ("event_cursor", "run_latest", "metric_point"):
            rows = OLD_ROWS[name]
            marks = ", ".join(f":{column}" for column in rows[0])
            connection.execute(sa.text(f"INSERT INTO {name} ({', '.join(rows[0])}) VALUES ({marks})"), rows)
    upgrade(bare)
    assert revision(bare) == HEAD
    with bare.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT seq FROM event_cursor").scalar() == 7
    keys = bare.read(lambda tx: metric.series_of(tx, "r", ["a", "b"]))
    points = {key: bare.read(lambda tx, id=id: metric.all_points(tx, id)) for key, id in keys.items()}
    assert {key: points.values.tolist() for key, points in points.items()} == {"a": [1.5, 2.5], "b": [0.0]}
    assert bare.read(lambda tx: metric.latest_of(tx, ["r"]))["r"][0][1] == 2.5


def test_the_spans_of_older_schemas_are_kept(bare):
    ids = {"trace_id": "BwcHBwcHBwcHBwcHBwcHBw==", "span_id": "CQkJCQkJCQk="}
    inner = {"kvlist_value": {"values": [{"key": "b", "value": {"array_value": {"values": [{"int_value": 2**60}]}}}]}}
    values = [{"string_value": "é"}, {"double_value": "NaN"}, {"bool_value": False}, {"bytes_value": "AAE="}, inner]
    info = {
        "parent_span_id": "CgoKCgoKCgo=",
        "trace_state": "a=b",
        "name": "step",
        "kind": 3,
        "start_time_unix_nano": 5,
        "end_time_unix_nano": 2**62,
        "flags": 257,
        "attributes": [{"key": str(number), "value": value} for number, value in enumerate(values)],
        "events": [{"time_unix_nano": 6, "name": "e", "attributes": [{"key": "k", "value": {"double_value": 1.5}}]}],
        "links": [dict(ids)],
        "status": {"message": "no", "code": 2},
    }
    bodies = [ids | info, {"trace_id": ids["trace_id"], "span_id": "CgoKCgoKCgo=", "name": "root"}]
    with bare.engine.begin() as connection:
        migrations._migrate(connection, "0003")
        rows = [
            {"trace": "tr-1", "id": f"{number:016x}", "start_ns": 5 - number, "body": json.dumps(body)}
            for number, body in enumerate(bodies)
        ]
        connection.execute(sa.text("INSERT INTO span VALUES (:trace, :id, :start_ns, :body)"), rows)
    upgrade(bare)
    spans = bare.read(lambda tx: trace_spans(tx, ["tr-1"]))["tr-1"]
    info["attributes"][3]["value"] = {"string_value": "AAE="}  # bytes are shown as text in base64
    assert [span.body for span in spans] == [bodies[1], ids | info]


def test_upgrading_twice_changes_nothing(bare):
    upgrade(bare)
    upgrade(bare)
    assert revision(bare) == HEAD


def test_two_servers_that_start_at_once_both_find_the_schema(postgres_database):
    stores = [Store(postgres_database) for _ in range(3)]
    drop(stores[0])
    threads = [threading.Thread(target=upgrade, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [revision(store) for store in stores] == [HEAD] * 3
    for store in stores:
        store.close()


def test_a_database_of_a_newer_version_is_refused_in_words(bare):
    upgrade(bare)
    with bare.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Invalid, match="Upgrade Helicline"):
        upgrade(bare)


def test_the_newest_revision_is_the_one_the_code_names():
    from pathlib import Path

    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert scripts.get_heads() == [HEAD]


def test_a_start_on_an_up_to_date_database_does_not_load_alembic(tmp_path):
    url = f"sqlite:///{tmp_path / 'meta.db'}"
    store = Store(url)
    upgrade(store)
    store.close()
    code = (
        "import sys; from helicline.store.database import Store; from helicline.store.migrations import upgrade\n"
        f"upgrade(Store({url!r})); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


TURN = {"loop": "churn", "created_at": 1, "wake_at": 7, "version": 1}
TURN_DOC = {"wake_at": "2026-01-05T09:00:00Z", "model_version": 3, "legs": []}


def test_an_ended_turn_of_an_older_home_is_no_longer_due_and_a_rejected_one_is_looked_at_once_more(bare):
    states = {1: "PROMOTED", 2: "REJECTED", 3: "GATING"}
    with bare.engine.begin() as connection:
        migrations._migrate(connection, "0009")
        turns = [
            TURN | {"number": number, "state": state, "doc": json.dumps(TURN_DOC | {"state": state})}
            for number, state in states.items()
        ]
        columns = ", ".join(turns[0])
        marks = ", ".join(f":{column}" for column in turns[0])
        connection.execute(sa.text(f"INSERT INTO turn ({columns}) VALUES ({marks})"), turns)
        connection.execute(sa.text("INSERT INTO event_cursor (consumer, seq) VALUES ('triggers', 41)"))
    upgrade(bare)
    with bare.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT state, wake_at, model_version, doc FROM turn ORDER BY number").all()
        heard = connection.exec_driver_sql("SELECT seq FROM event_cursor WHERE consumer = 'wake_ups'").scalar()
    assert [row[:3] for row in rows] == [("PROMOTED", None, 3), ("REJECTED", 7, 3), ("GATING", 7, 3)]
    assert [json.loads(row.doc)["wake_at"] is None for row in rows] == [True, False, False]
    assert heard == 41


def test_windows_of_an_older_home_are_in_the_order_in_which_they_ended(bare):
    row = {"deployment": "d", "monitor": "m", "end": 5, "severity": "ok", "version": 1, "doc": "{}"}
    with bare.engine.begin() as connection:
        migrations._migrate(connection, "0012")
        columns, marks = ", ".join(f'"{name}"' for name in row), ", ".join(f":{name}" for name in row)
        statement = sa.text(f"INSERT INTO monitor_window ({columns}) VALUES ({marks})")
        connection.execute(statement, [row, row | {"end": 9}])
    upgrade(bare)
    with bare.engine.connect() as connection:
        rows = connection.exec_driver_sql('SELECT "end", judged_at FROM monitor_window ORDER BY judged_at').all()
    assert rows == [(5, 5), (9, 9)]


def test_drafts_of_an_older_home_are_found_by_their_state_and_old_events_are_not_heard_again(bare):
    row = {"dataset": "d", "id": "a", "sequence": 1, "created_at": 1, "version": 1, "doc": '{"state":"published"}'}
    with bare.engine.begin() as connection:
        migrations._migrate(connection, "0013")
        columns, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
        statement = sa.text(f"INSERT INTO dataset_version ({columns}) VALUES ({marks})")
        connection.execute(
            statement, [row, row | {"id": "b", "doc": '{"state":"draft"}'}, row | {"id": "c", "doc": "{}"}]
        )
        connection.execute(sa.text("INSERT INTO event_cursor (consumer, seq) VALUES ('triggers', 7)"))
    upgrade(bare)
    with bare.engine.connect() as connection:
        states = connection.exec_driver_sql("SELECT id, state FROM dataset_version ORDER BY id").all()
        cursors = dict(connection.exec_driver_sql("SELECT consumer, seq FROM event_cursor").all())
    assert states == [("a", "published"), ("b", "draft"), ("c", "published")]
    assert cursors == {"triggers": 7, "audits": 7}
