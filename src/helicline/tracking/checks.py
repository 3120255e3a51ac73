"""Checks of logged data: names, lengths, times, and artifact paths. Every check returns the value to store."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from urllib.parse import unquote

from helicline import ids
from helicline.errors import Invalid

RUN_ID = re.compile(r"[a-zA-Z0-9][\w-]{0,255}")
INT64 = 2**63
OVERLONG = re.compile(r"(?i)%c[01]%[89ab]")  # ASCII in two bytes of UTF-8, which old decoders take for "." or "/"
MAX_PATH = 2048  # in bytes; PostgreSQL cannot index texts longer than about 2700 bytes
MAX_TIME_MS = 253_402_300_799_000  # the end of the year 9999, the maximum of datetime
LOCATION_SCHEMES = (
    "mlflow-artifacts",
    "s3",
    "s3a",
    "gs",
    "wasbs",
    "abfss",
    "adl",
    "hdfs",
    "dbfs",
    "http",
    "https",
    "file",
)


class TooLong(Invalid):
    """``TooLong(field, got_length, allowed, limit)``: the text has more characters than the limit."""

    code = "too_long"

    def __init__(self, field: str, got: object, allowed: str, limit: int = 0) -> None:
        super().__init__(field, got, allowed)
        self.args = (field, got, allowed, limit)
        self.limit = limit


def checked_length(field: str, limit: int, text: str) -> str:
    if len(text) > limit:
        raise TooLong(field, f"{len(text)} characters", f"at most {limit} characters", limit)
    return text


def checked_text(field: str, text: str) -> str:
    """Return text that both databases can store: no NUL, no lone surrogate."""
    if "\0" in text:
        raise Invalid(field, text, "text without NUL characters")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise Invalid(field, ascii(text), "text without lone surrogates")
    return text


def checked_key(field: str, label: str, key: str) -> str:
    """Return a key by MLflow's grammar. Raises Invalid where it is not a normal relative path."""
    return _checked_name(field, label, key, characters=ids.MLFLOW_KEY)


def checked_name(field: str, label: str, name: str) -> str:
    """Return the name of a metric or parameter, by the grammar of our own API. Raises Invalid."""
    return _checked_name(field, label, name, characters=ids.METRIC_NAME)


def _checked_name(field: str, label: str, name: str, *, characters: re.Pattern[str]) -> str:
    if problem := ids.problem_of_key(name, characters):
        raise Invalid(field, name, problem)
    return checked_length(label, ids.MAX_METRIC_NAME, name)


@lru_cache(4096)
def is_plain_key(key: str) -> bool:
    """Return whether the key of a metric is valid; cached, because the same keys come again and again."""
    try:
        checked_key("key", "key", key)
    except Invalid:
        return False
    return True


def checked_ref(field: str, reference: str) -> str:
    """Return the id of a run or model, or "" where none is named."""
    if reference and not RUN_ID.fullmatch(reference):
        raise Invalid(field, reference, "an id: letters, digits, '_' and '-', at most 256")
    return reference


def checked_run(field: str, run_id: str) -> str:
    """Return the run id. Raises Invalid for a malformed id; the run itself need not exist."""
    if not RUN_ID.fullmatch(run_id):
        raise Invalid(field, run_id, "an id: letters, digits, '_' and '-', at most 256")
    return run_id


def checked_time(field: str, millis: int) -> int:
    if not 0 <= millis <= MAX_TIME_MS:
        raise Invalid(field, millis, "Timestamp must be a nonnegative long (64-bit integer) before the year 10000")
    return millis


def checked_int64(field: str, number: int) -> int:
    if not -INT64 <= number < INT64:
        raise Invalid(field, number, "a 64-bit integer")
    return number


def checked_path(field: str, path: str) -> str:
    """Return a relative artifact path that leads out of no folder. Raises Invalid for others.

    It is decoded already, once: a `%` stands for itself (older clients name images im%step%0%....png). Only what a
    reader that decodes again would follow out of its folder is refused.
    """
    unquoted = _unquoted(path)
    if problem := _problem(path) or _way_out(unquoted) or _way_out(unicodedata.normalize("NFKC", unquoted)):
        raise Invalid(field, path, f"Invalid path: {problem}")
    if len(path.encode()) > MAX_PATH:
        raise Invalid(field, path, f"Invalid path: it is longer than {MAX_PATH} bytes")
    return path


def _unquoted(text: str) -> str:
    for _ in range(8):
        decoded = unquote(text, errors="replace")
        if decoded == text:
            return text
        text = decoded
    return text


def _problem(path: str) -> str:
    if "#" in path or OVERLONG.search(path):
        return "it holds '#' or bytes that are no text"
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in path):
        return "it holds control characters"
    if any(len(part.encode()) > 255 for part in path.split("/")):
        return "one of its parts is longer than 255 bytes"
    return ""


def _way_out(path: str) -> str:
    if not path or path.startswith("/") or "\\" in path or re.match(r"(.*/)?[A-Za-z]:(/|$)", path):
        return "it must be relative, with '/' between its parts"
    part = next((part for part in path.split("/") if not part.rstrip(" .")), None)  # Windows drops these at the end
    return "" if part is None else f"{part!r} cannot stand in it"


def checked_location(field: str, location: str) -> str:
    """Return the artifact location of an experiment: empty, of this server, or of a store that clients access."""
    if len(location) > 2048:
        raise Invalid(
            field,
            f"{len(location)} characters",
            "Invalid artifact path length. The length of the artifact path cannot be greater than 2048 characters.",
        )
    if not location:
        return location
    scheme, colon, rest = location.partition(":")
    if not colon or location.startswith("/"):
        scheme, rest = "file", location
    if scheme == "runs":
        raise Invalid(field, location, f"Artifact location cannot be a runs:/ URI. Given: {location!r}")
    if scheme not in LOCATION_SCHEMES:
        raise Invalid(field, location, f"Invalid artifact location scheme. One of {', '.join(LOCATION_SCHEMES)}")
    if re.search(r"[?#;]", _unquoted(rest)):
        raise Invalid(field, location, "'artifact_location' URL can't include fragments or params.")
    if scheme == "file" and not re.sub(r"^//", "", rest).startswith("/"):
        raise Invalid(field, location, "Invalid artifact location: a local path must be absolute")
    checked_path(field, rest.strip("/") or "x")
    return location.rstrip("/") if rest.strip("/") else location
