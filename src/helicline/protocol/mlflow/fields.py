"""The fields of a request, whichever way they came, checked and typed. Every complaint names its field."""

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
SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
MAX_DEPTH = 100


def of_body(body: bytes) -> Fields:
    """Return the fields of a JSON body; none for an empty one.

    Raises:
        WireError: the body is not a JSON object that both databases could keep.
    """
    if not body:
        return Fields({})
    try:
        document = msgspec.json.decode(body)
        if isinstance(document, str):  # old clients encode twice
            document = msgspec.json.decode(document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _name_the_surrogate(body)
        raise WireError("INVALID_PARAMETER_VALUE", f"The request body is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise WireError("INVALID_PARAMETER_VALUE", "The request body must be a JSON object.")
    check_texts(document, "")
    return Fields(document)


def of_query(query: bytes) -> Fields:
    """Return the fields of a query string; a key that comes more than once is a list."""
    try:
        pairs = parse_qs(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=10_000)
    except (UnicodeDecodeError, ValueError):
        raise WireError("INVALID_PARAMETER_VALUE", "The query string is not valid UTF-8 text.") from None
    document = {key: values if len(values) > 1 else values[0] for key, values in pairs.items()}
    check_texts(document, "")
    return Fields(document)


def _name_the_surrogate(body: bytes) -> None:
    """The fast decoder refuses lone surrogates without saying where; the slow one lets us look."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return
    check_texts(document, "")


def check_texts(value: Any, path: str, depth: int = 0) -> None:
    """Refuse text that not both databases could keep, wherever in the document it stands."""
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
    """A JSON object or query string, read by field. Missing and null are alike, and a missing string is ""."""

    def __init__(self, document: Mapping[str, Any], path: str = "") -> None:
        self.document, self.path = document, path

    def _label(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def raw(self, name: str) -> Any:
        """Return the value as it came, under its snake_case or its camelCase name, or None."""
        camel = re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
        if camel != name and camel in self.document:
            if name in self.document:
                raise Invalid(self._label(name), camel, f"one of {name!r} and {camel!r}, not both")
            return self.document[camel]
        return self.document.get(name)

    def has(self, name: str) -> bool:
        return self.raw(name) is not None

    def wrong(self, name: str, value: Any, expected: str) -> Invalid:
        shown = value if isinstance(value, str | int | float | bool) else type(value).__name__
        return Invalid(
            self._label(name),
            shown,
            f" Hint: Value was of type '{type(value).__name__}'. See the API docs for more information about request"
            f" parameters. Wanted: {expected}.",
        )

    def text(self, name: str, *, also: str = "") -> str:
        """Return the string, "" where there is none; `also` is an older name of the same field."""
        value = self.raw(name)
        if value is None and also:
            value = self.raw(also)
        if value is None:
            return ""
        if isinstance(value, list) and value and all(item == value[0] for item in value):
            value = value[0]
        if not isinstance(value, str):
            raise self.wrong(name, value, "a string")
        return value

    def required(self, name: str, *, also: str = "") -> str:
        """Return the string; "" counts as missing."""
        value = self.text(name, also=also)
        if not value:
            missing(self._label(name))
        return value

    def filter(self, name: str = "filter") -> str:
        """Return the filter; one that is not empty and yet says nothing is a mistake."""
        text = self.text(name)
        if text and not text.strip():
            raise Invalid(self._label(name), text, f"Invalid filter '{text}'. Could not be parsed.")
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
            raise self.wrong(name, value, "an integer")
        return checked_int64(self._label(name), value)

    def number(self, name: str) -> float:
        """Return the required number; NaN and the infinities come as strings."""
        value = self.raw(name)
        if value is None:
            missing(self._label(name))
        if isinstance(value, str):
            try:
                value = SPECIAL[value] if value in SPECIAL else float(value)
            except ValueError:
                raise self.wrong(name, value, "a valid double (64-bit floating point)") from None
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.wrong(name, value, "a valid double (64-bit floating point)")
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
        raise self.wrong(name, value, "a boolean")

    def time(self, name: str) -> datetime | None:
        """Return the moment of an epoch-milliseconds field."""
        millis = self.integer(name)
        return None if millis is None else from_epoch_ms(checked_time(self._label(name), millis))

    def version(self) -> int:
        """Return the number of a model's version, which comes as text or as a number."""
        value = self.raw("version")
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        text = self.required("version")
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise WireError("INVALID_PARAMETER_VALUE", f"Parameter 'version' must be an integer, got '{text}'.")
        return int(text)

    def texts(self, name: str) -> list[str]:
        """Return the list of strings; one value alone is a list of one."""
        value = self.raw(name)
        if value is None:
            return []
        values = value if isinstance(value, list) else [value]
        for item in values:
            if not isinstance(item, str):
                raise self.wrong(name, item, "a list of strings")
        return values

    def objects(self, name: str) -> list[Fields]:
        value = self.raw(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(name, value, "a list of objects")
        objects = []
        for number, item in enumerate(value):
            if not isinstance(item, dict):
                raise self.wrong(f"{name}[{number}]", item, "an object")
            objects.append(Fields(item, f"{self._label(name)}[{number}]"))
        return objects

    def object(self, name: str) -> Fields:
        value = self.raw(name)
        if value is not None and not isinstance(value, dict):
            raise self.wrong(name, value, "an object")
        return Fields(value or {}, self._label(name))

    def pairs(self, name: str) -> dict[str, str]:
        """Return a list of {key, value} as a dict; of a key that comes twice the last counts."""
        return {item.required("key"): item.text("value") for item in self.objects(name)}

    def list_of(self, name: str, read: Callable[[Fields], T]) -> list[T]:
        return [read(item) for item in self.objects(name)]
