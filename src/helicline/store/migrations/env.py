"""The script that alembic runs: the revisions, on the connection of `upgrade`."""

from alembic import context

from helicline.store.noun import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
