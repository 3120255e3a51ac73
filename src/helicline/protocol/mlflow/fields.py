"""The fields of a request, from its JSON body or its query string, checked and typed. Every error names its field."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs

import msgspec

from helicline.clock import from_epoch_ms
from helicline.errors import Invalid
from helicline.protocol.mlflow.errors import WireError, missing
from helicline.tracking.checks import checked_int64, checked_text, checked_time

T = TypeVar("T")
SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
MAX_DEPTH = 100


def of_body(body: bytes) -> Fields:
    """Return the fields of a JSON body; no fields for an empty body.

    Raises:
        WireError: the body is not a JSON object, or holds text that a database cannot store.
    """
    if not body:
        return Fields({})
    try:
        document = msgspec.json.decode(body)
        if isinstance(document, str):  # old clients encode twice
            document = msgspec.json.decode(document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _raise_for_surrogate(body)
        raise WireError("INVALID_PARAMETER_VALUE", f"The request body is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise WireError("INVALID_PARAMETER_VALUE", "The request body must be a JSON object.")
    check_texts(document, "")
    return Fields(document)


def of_query(query: bytes) -> Fields:
    """Return the fields of a query string; a key that occurs more than once has a list."""
    try:
        pairs = parse_qs(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=10_000)
    except (UnicodeDecodeError, ValueError):
        raise WireError("INVALID_PARAMETER_VALUE", "The query string is not valid UTF-8 text.") from None
    document = {key: values if len(values) > 1 else values[0] for key, values in pairs.items()}
    check_texts(document, "")
    return Fields(document)


def _raise_for_surrogate(body: bytes) -> None:
    """Raise Invalid with the path of a lone surrogate: msgspec rejects it without a position, so parse with `json`."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return
    check_texts(document, "")


def check_texts(value: Any, path: str, depth: int = 0) -> None:
    """Raise Invalid for text that SQLite or PostgreSQL cannot store, anywhere in the document."""
    if depth > MAX_DEPTH:
        raise Invalid(path[:100], "deep nesting", f"at most {MAX_DEPTH} levels")
    if isinstance(value, str):
        checked_text(path, value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            checked_text(path or "body", key)
            check_texts(inner, f"{path}.{key}" if path else key, depth + 1)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            if not isinstance(inner, int | float):
                check_texts(inner, f"{path}[{number}]", depth + 1)


class Fields:
    """A JSON object or query string, read by field. A null field counts as missing, and a missing string is ""."""

    def __init__(self, document: Mapping[str, Any], path: str = "") -> None:
        self.document, self.path = document, path

    def label(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def raw(self, name: str) -> Any:
        """Return the unchecked value of the field, under its snake_case or its camelCase name, or None."""
        camel = re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
        if camel != name and camel in self.document:
            if name in self.document:
                raise Invalid(self.label(name), camel, f"one of {name!r} and {camel!r}, not both")
            return self.document[camel]
        return self.document.get(name)

    def has(self, name: str) -> bool:
        return self.raw(name) is not None

    def invalid(self, name: str, value: Any, expected: str) -> Invalid:
        shown = value if isinstance(value, str | int | float | bool) else type(value).__name__
        return Invalid(
            self.label(name),
            shown,
            f" Hint: Value was of type '{type(value).__name__}'. See the API docs for more information about request"
            f" parameters. Wanted: {expected}.",
        )

    def text(self, name: str, *, also: str = "") -> str:
        """Return the string, or "" where the field is missing; `also` is an older name of the field."""
        value = self.raw(name)
        if value is None and also:
            value = self.raw(also)
        if value is None:
            return ""
        if isinstance(value, list) and value and all(item == value[0] for item in value):
            value = value[0]
        if not isinstance(value, str):
            raise self.invalid(name, value, "a string")
        return value

    def required(self, name: str, *, also: str = "") -> str:
        """Return the string. Raises WireError where it is missing or ""."""
        value = self.text(name, also=also)
        if not value:
            missing(self.label(name))
        return value

    def filter(self, name: str = "filter") -> str:
        """Return the filter. Raises Invalid where it consists of spaces."""
        text = self.text(name)
        if text and not text.strip():
            raise Invalid(self.label(name), text, f"Invalid filter '{text}'. Could not be parsed.")
        return text

    def integer(self, name: str, default: int | None = None) -> int | None:
        value = self.raw(name)
        if value is None:
            return default
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value):
            value = int(value)
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.invalid(name, value, "an integer")
        return checked_int64(self.label(name), value)

    def number(self, name: str) -> float:
        """Return the required number; NaN and the infinities are strings in JSON."""
        value = self.raw(name)
        if value is None:
            missing(self.label(name))
        if isinstance(value, str):
            try:
                value = SPECIAL_FLOATS[value] if value in SPECIAL_FLOATS else float(value)
            except ValueError:
                raise self.invalid(name, value, "a valid double (64-bit floating point)") from None
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.invalid(name, value, "a valid double (64-bit floating point)")
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.raw(name)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if value is None or isinstance(value, bool):
            return default if value is None else value
        raise self.invalid(name, value, "a boolean")

    def time(self, name: str) -> datetime | None:
        """Return the time of a field in epoch milliseconds."""
        millis = self.integer(name)
        return None if millis is None else from_epoch_ms(checked_time(self.label(name), millis))

    def version(self) -> int:
        """Return the number of a model version, which clients send as text or as a number."""
        value = self.raw("version")
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        text = self.required("version")
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise WireError("INVALID_PARAMETER_VALUE", f"Parameter 'version' must be an integer, got '{text}'.")
        return int(text)

    def texts(self, name: str) -> list[str]:
        """Return the list of strings; a single string counts as a list of one."""
        value = self.raw(name)
        if value is None:
            return []
        values = value if isinstance(value, list) else [value]
        for item in values:
            if not isinstance(item, str):
                raise self.invalid(name, item, "a list of strings")
        return values

    def objects(self, name: str) -> list[Fields]:
        value = self.raw(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.invalid(name, value, "a list of objects")
        objects = []
        for number, item in enumerate(value):
            if not isinstance(item, dict):
                raise self.invalid(f"{name}[{number}]", item, "an object")
            objects.append(Fields(item, f"{self.label(name)}[{number}]"))
        return objects

    def object(self, name: str) -> Fields:
        value = self.raw(name)
        if value is not None and not isinstance(value, dict):
            raise self.invalid(name, value, "an object")
        return Fields(value or {}, self.label(name))

    def pairs(self, name: str) -> dict[str, str]:
        """Return a list of {key, value} as a dict; the last of equal keys counts."""
        return {item.required("key"): item.text("value") for item in self.objects(name)}

    def list_of(self, name: str, read: Callable[[Fields], T]) -> list[T]:
        return [read(item) for item in self.objects(name)]
