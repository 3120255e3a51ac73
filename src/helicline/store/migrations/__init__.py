"""The schema as a chain of revisions: `upgrade` brings a database to the newest one."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from helicline.errors import Invalid
from helicline.store import nouns
from helicline.store.database import Store
from helicline.store.rows import artifact, event, experiment, logged_model, metric, run, trace

TABLES = (nouns, event, experiment, run, metric, artifact, logged_model, trace)
HEAD = "0016"
# an advisory lock of PostgreSQL: of two servers that start at once, the second waits for the upgrade of the first
LOCK = 0x68656C69


def upgrade(store: Store, *, to: str = "head") -> None:
    """Bring the store's database to the newest schema, or to that revision; does nothing where it has the newest.

    Raises:
        Invalid: a newer version of Helicline wrote the database.
    """
    with store.engine.connect() as connection:
        if revision_of(connection) == HEAD:
            return
    with store.engine.begin() as connection:
        if not store.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        _migrate(connection, to)


def revision_of(connection: sa.Connection) -> str:
    """Return the revision of the database, "" where it has no schema."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() or "")


def _migrate(connection: sa.Connection, to: str = "head") -> None:
    # imported here because a start with a current database does not need it
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, to)
    except CommandError as error:
        hint = "Upgrade Helicline, or restore a backup that this version wrote."
        raise Invalid("database", str(error), f"a schema up to revision {HEAD}", hint) from None
