"""A control of the power cut: a server whose database leaves it to the system when its writes reach the disk."""

from early_server import serve_on
from fork_server import serve_forks

from helicline.store.database import Store


class UnsyncedStore(Store):
    """Acknowledges after the commit, as the product does; but nobody has waited for the disk."""

    pragmas = tuple("synchronous=OFF" if pragma.startswith("synchronous") else pragma for pragma in Store.pragmas)


if __name__ == "__main__":
    serve_forks(lambda: serve_on(UnsyncedStore))
