"""A store whose units run one after the other, for tests of their order."""

import pytest

from helicline.store.database import Store
from helicline.store.migrations import upgrade


@pytest.fixture
def timeline(tmp_path):
    """A store on SQLite, which does one thing after the other."""
    opened = Store(f"sqlite:///{tmp_path}/one.db")
    upgrade(opened)
    yield opened
    opened.close()
