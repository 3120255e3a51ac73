"""The control of the crash test: a server that acknowledges writes a moment before they are durable."""

import asyncio
import time

from nest import nest

from helicline import settings as settings_file
from helicline.loop.context import Context
from helicline.server.main import listen, serve
from helicline.store.blobs import open_blobs
from helicline.store.migrations import upgrade
from helicline.store.unit import Store


class EarlyStore(Store):
    """Acknowledges as soon as the units have run, and commits a little later."""

    def _commit_group(self, connection, waiting):
        with connection.begin():
            for job in waiting:
                with connection.begin_nested():
                    self._apply(connection, job)
                job.future.set_result(job.value)
            time.sleep(0.05)


def main() -> None:
    settings = settings_file.load()
    settings.home_path.mkdir(parents=True, exist_ok=True)
    ready = Store(settings.database_url)
    upgrade(ready)
    ready.close()
    store = EarlyStore(settings.database_url)
    asyncio.run(serve(Context(store, open_blobs("", settings.home_path), settings), listen(settings)))


if __name__ == "__main__":
    nest(main)
