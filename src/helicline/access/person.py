"""Who decides: the name of a token, or a local caller who says a name that nobody has checked."""

from __future__ import annotations

LOCAL = "local"
_SAID = f"{LOCAL} (said to be "


def local_person(claimed: str) -> str:
    """Return how a local caller is recorded who says that name of itself."""
    name = claimed.strip()
    return f"{_SAID}{name})" if name and name != LOCAL else LOCAL


def identity(person: str) -> str:
    """Return who somebody is, as far as it was checked: local callers are one, whatever names they say."""
    return LOCAL if person.startswith(_SAID) else person
