"""A control of the crash tests: a server that acknowledges writes a moment before they are durable."""

import asyncio
import time

from fork_server import serve_forks

from helicline import settings as settings_file
from helicline.loop.context import Context
from helicline.server.main import listen, open_context, serve
from helicline.store.blobs import LocalBlobs
from helicline.store.database import Store
from helicline.store.writer.job import settle
from helicline.store.writer.sqlite import SqliteWriter


class EarlyWriter(SqliteWriter):
    """Acknowledges as soon as the units have run, and commits a little later."""

    def _commit_group(self, connection, waiting):
        with connection.begin():
            for job in waiting:
                with connection.begin_nested():
                    self._apply(connection, job)
                settle([job])
            time.sleep(0.05)  # the fault that the tests must detect: the answer is out, the commit is not yet


class EarlyStore(Store):
    sqlite_writer = EarlyWriter


def serve_on(kind: type[Store] = Store, blobs: type[LocalBlobs] = LocalBlobs) -> None:
    """Serve as the product does, on other ways to keep things."""
    settings = settings_file.load()
    open_context(settings).store.close()
    store = kind(settings.database_url)
    asyncio.run(serve(Context(store, blobs(settings.home_path / "blobs"), settings), listen(settings)))


if __name__ == "__main__":
    serve_forks(lambda: serve_on(EarlyStore))
