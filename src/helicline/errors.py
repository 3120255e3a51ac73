"""All errors that Helicline raises on purpose.

    HeliclineError
    ├── NotFound      the named noun does not exist
    ├── Conflict      the noun exists but its state forbids this
    ├── Invalid       the input is not acceptable: field, actual and allowed value
    ├── Refused       forbidden by a policy, permission or gate
    ├── Unavailable   try again later; nothing was changed
    └── Bug           an internal invariant is broken

A class holds its data and makes the sentence; wire codes are in ``protocol/*/errors.py``.
All arguments are positional, so that pickle passes an error to another process unchanged.
"""

from __future__ import annotations

from typing import ClassVar


class HeliclineError(Exception):
    """Root of the tree; ``code`` is a stable slug, ``hint`` is the next step for a person.

    ``place`` is ``file:line`` in the user's own code, where the error is about that.
    """

    code: ClassVar[str] = "error"
    hint: str = ""
    place: str = ""

    @property
    def sentence(self) -> str:
        return " ".join(str(part) for part in self.args)

    def __str__(self) -> str:
        return f"{self.sentence} {self.hint}".strip()


class NotFound(HeliclineError):
    """``NotFound(noun, name, hint="")``."""

    code = "not_found"

    def __init__(self, noun: str, name: str, hint: str = "") -> None:
        super().__init__(noun, name, hint)
        self.noun, self.name, self.hint = noun, name, hint

    @property
    def sentence(self) -> str:
        return f"No {self.noun} named {self.name!r}."


class Conflict(HeliclineError):
    """``Conflict(noun, name, why, hint="")``."""

    code = "conflict"

    def __init__(self, noun: str, name: str, why: str, hint: str = "") -> None:
        super().__init__(noun, name, why, hint)
        self.noun, self.name, self.why, self.hint = noun, name, why, hint

    @property
    def sentence(self) -> str:
        return f"The {self.noun} {self.name!r} {self.why}."


class Invalid(HeliclineError):
    """``Invalid(field, got, allowed, hint="")``."""

    code = "invalid"

    def __init__(self, field: str, got: object, allowed: str, hint: str = "") -> None:
        value = got if isinstance(got, str | int | float | bool) or got is None else repr(got)
        super().__init__(field, value, allowed, hint)
        self.field, self.got, self.allowed, self.hint = field, value, allowed, hint

    @property
    def sentence(self) -> str:
        got = repr(self.got)
        if len(got) > 120:
            got = got[:117] + "..."
        return f"{self.field}: got {got}, allowed: {self.allowed}."


class TooLarge(Invalid):
    """``TooLarge(field, got_bytes, allowed, hint="")``: the input is over a size limit."""

    code = "too_large"


class Refused(HeliclineError):
    """``Refused(action, why, hint="")``: a policy, a permission or a gate forbids it."""

    code = "refused"

    def __init__(self, action: str, why: str, hint: str = "") -> None:
        super().__init__(action, why, hint)
        self.action, self.why, self.hint = action, why, hint

    @property
    def sentence(self) -> str:
        return f"Refused to {self.action}: {self.why}."


class Unauthenticated(Refused):
    """``Unauthenticated(action, why, hint="")``: the request has no valid token."""

    code = "unauthenticated"


class Unavailable(HeliclineError):
    """``Unavailable(what, why, hint="")``: nothing was changed, a later try may succeed."""

    code = "unavailable"

    def __init__(self, what: str, why: str, hint: str = "") -> None:
        super().__init__(what, why, hint)
        self.what, self.why, self.hint = what, why, hint

    @property
    def sentence(self) -> str:
        return f"{self.what} is unavailable: {self.why}."


class RateLimited(Unavailable):
    """``RateLimited(what, why, retry_after_s, hint="")``: too many attempts; the next may come after that time."""

    code = "rate_limited"

    def __init__(self, what: str, why: str, retry_after_s: int, hint: str = "") -> None:
        super().__init__(what, why, hint)
        self.args = (what, why, retry_after_s, hint)  # what the constructor takes, so that it survives pickle
        self.retry_after_s = retry_after_s


class StorageFull(Unavailable):
    """``StorageFull(what, why, hint="")``: the disk or the quota is exhausted."""

    code = "storage_full"


class Bug(HeliclineError):
    """``Bug(what, hint="")``: an internal invariant is broken; please report it."""

    code = "bug"

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.what, self.hint = what, hint

    @property
    def sentence(self) -> str:
        return f"Helicline broke one of its own rules: {self.what}."
