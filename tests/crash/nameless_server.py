"""A control of the power cut: a server that makes the bytes of a blob durable, but not its name."""

from early_server import serve_on
from fork_server import serve_forks

from helicline.store.blobs import LocalBlobs


class NamelessBlobs(LocalBlobs):
    """Keeps a blob as the product does, without the sync of its folder."""

    def _sync_names(self, folder):
        pass


if __name__ == "__main__":
    serve_forks(lambda: serve_on(blobs=NamelessBlobs))
