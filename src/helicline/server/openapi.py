"""`python -m helicline.server.openapi`: print the OpenAPI document, the source of the web UI's types."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from helicline.loop.context import Context
from helicline.protocol.rest.feed import Feed
from helicline.server.app import make_api
from helicline.server.document import api_document
from helicline.settings import Settings
from helicline.store.blobs import open_blobs
from helicline.store.database import Store


def document() -> str:
    """Return the document as JSON with sorted keys, so that equal APIs have equal documents."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=folder)
        store = Store(settings.database_url)
        try:
            api = make_api(Context(store, open_blobs("", Path(folder)), settings), Feed())
            return json.dumps(api_document(api), indent=1, sort_keys=True)
        finally:
            store.close()


if __name__ == "__main__":
    sys.stdout.write(document())
