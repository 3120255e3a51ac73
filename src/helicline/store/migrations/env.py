"""What alembic runs: the revisions, on the connection that `upgrade` hands it."""

from alembic import context

from helicline.store.noun import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
