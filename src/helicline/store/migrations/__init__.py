"""The schema, step by step: `upgrade` brings a database to the present revision."""

from __future__ import annotations

from helicline.store import nouns
from helicline.store.noun import metadata
from helicline.store.rows import artifact, event, experiment, logged_model, metric, run, trace
from helicline.store.unit import Store

TABLES = (nouns, event, experiment, run, metric, artifact, logged_model, trace)


def upgrade(store: Store) -> None:
    """Bring the store's database to the newest schema; nothing is done where it is there already."""
    metadata.create_all(store.engine)
