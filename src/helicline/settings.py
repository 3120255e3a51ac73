"""The settings, their defaults, and their origins.

Order, later wins: default, ``helicline.toml`` in the project folder, environment ``HELICLINE_*``.
"""

from __future__ import annotations

import os
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from helicline.errors import Invalid

PREFIX = "HELICLINE_"
FILE = "helicline.toml"
_LIMIT = re.compile(r"(\d{1,9}(?:\.\d+)?) ?(h|d|MB|GB|TB)")
_UNITS = {"h": 3600, "d": 86_400, "MB": 10**6, "GB": 10**9, "TB": 10**12}


MIN_EVENT_AGE = timedelta(days=30)  # what needs a person looks back over days of events


class KeepRule(msgspec.Struct, frozen=True):
    """How much of a deployment's prediction log is kept: so old, and so many bytes; None is without a limit."""

    max_age: timedelta | None = None
    max_bytes: int | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings, read once at the start; docs/settings.md documents each."""

    home: str = ".helicline"
    url: str = ""
    token: str = ""
    database: str = ""
    secret_key: str = ""
    blobs: str = ""
    presigned: bool = True
    host: str = "127.0.0.1"
    port: int = 7070
    gateway_port: int = 7080
    allowed_hosts: str = ""
    auth: str = "local"
    max_body_bytes: int = 16 * 1024 * 1024
    max_upload_bytes: int = 8 * 1024 * 1024 * 1024
    worker_slots: int = 2
    lease_s: float = 15.0
    tick_s: float = 0.5
    log_seal_s: float = 2.0
    log_keep: str = "400d"
    trace_keep: str = ""
    process_log_keep: str = "90d"
    event_keep: str = ""
    webhook_private: bool = False
    audit_anchor: str = ""
    log_level: str = "INFO"
    isolation: bool = True
    readable_paths: str = ""
    writable_paths: str = ""
    passed_environment: str = ""

    @property
    def home_path(self) -> Path:
        return Path(self.home).expanduser().resolve()

    @property
    def server_url(self) -> str:
        """The server's address: the setting `url`, or what the running server of the home has noted."""
        note = self.home_path / "server.url"
        return self.url or (note.read_text().strip() if note.is_file() else f"http://{self.host}:{self.port}")

    @property
    def readable_folders(self) -> tuple[str, ...]:
        """Further folders and files that steps and models may read."""
        return _paths(self.readable_paths)

    @property
    def writable_folders(self) -> tuple[str, ...]:
        """Further folders that steps and models may write to."""
        return _paths(self.writable_paths)

    @property
    def passed_environment_patterns(self) -> tuple[str, ...]:
        """Further variables that steps and models get: names, or patterns like ``AWS_*``."""
        return tuple(name.strip() for name in self.passed_environment.split(",") if name.strip())

    @property
    def log_rules(self) -> dict[str, KeepRule]:
        """How much of the prediction log is kept, by deployment; "" for those that have no rule of their own."""
        return _keep_rules("log_keep", self.log_keep)

    @property
    def trace_rules(self) -> dict[str, KeepRule]:
        """How long traces are kept, by the name of their experiment; "" for those that have no rule of their own."""
        return _keep_rules("trace_keep", self.trace_keep)

    @property
    def process_log_rule(self) -> KeepRule:
        """How old and how many bytes the logs of steps and model workers may be."""
        rules = _keep_rules("process_log_keep", self.process_log_keep)
        if names := rules.keys() - {""}:
            raise Invalid("process_log_keep", sorted(names)[0], "an age like 90d, and a size like 2GB; no names")
        return rules[""]

    @property
    def event_keep_age(self) -> timedelta | None:
        """How long events stay in the database; None is for ever. What is older goes to archives."""
        rules = _keep_rules("event_keep", self.event_keep)
        age = rules[""].max_age
        if rules.keys() - {""} or rules[""].max_bytes is not None or (age is not None and age < MIN_EVENT_AGE):
            raise Invalid("event_keep", self.event_keep, "one age of 30d or more, like 400d; empty keeps all")
        return age

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.home_path / 'meta.db'}"


def _keep_rules(setting: str, text: str) -> dict[str, KeepRule]:
    """Return the rules in a text like `400d, 50GB, churn=30d`. Raises Invalid for another one."""
    rules: dict[str, KeepRule] = {"": KeepRule()}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, limit = part.rpartition("=")
        match = _LIMIT.fullmatch(limit.strip())
        is_size = match is not None and match[2].endswith("B")
        if match is None or (not name and "=" in part) or (is_size and setting == "trace_keep"):
            raise Invalid(setting, part, "an age like 400d, also as name=30d; for logs also a size like 50GB")
        amount = float(match[1]) * _UNITS[match[2]]
        rule = rules.get(name.strip(), KeepRule())
        field = {"max_bytes": int(amount)} if is_size else {"max_age": timedelta(seconds=amount)}
        rules[name.strip()] = msgspec.structs.replace(rule, **field)
    return rules


def _paths(text: str) -> tuple[str, ...]:
    return tuple(str(Path(path).expanduser().resolve()) for path in text.split(os.pathsep) if path)


def load(folder: Path | None = None, environ: dict[str, str] | None = None) -> Settings:
    """Return the settings for `folder` (default: the current folder).

    Raises:
        Invalid: a setting is unknown or has the wrong type.
    """
    return msgspec.convert({name: value for name, (value, _) in origins(folder, environ).items()}, Settings)


def origins(folder: Path | None = None, environ: dict[str, str] | None = None) -> dict[str, tuple[Any, str]]:
    """Return each setting's value and its origin: default, file or environment variable."""
    fields = {field.name: field for field in msgspec.structs.fields(Settings)}
    values: dict[str, tuple[Any, str]] = {name: (field.default, "default") for name, field in fields.items()}
    path = (folder or Path.cwd()) / FILE
    if path.is_file():
        for name, value in _read_toml(path).items():
            values[name] = (_converted(name, value, fields), str(path))
    for variable, text in (os.environ if environ is None else environ).items():
        name = variable.removeprefix(PREFIX).lower()
        if variable.startswith(PREFIX) and name in fields:
            values[name] = (_converted(name, text, fields), variable)
    return values


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise Invalid(str(path), str(error), "TOML (https://toml.io)") from None


def _converted(name: str, value: Any, fields: dict[str, Any]) -> Any:
    if name not in fields:
        raise Invalid(name, value, f"one of the settings {', '.join(sorted(fields))}")
    try:
        converted = msgspec.convert(value, fields[name].type, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(name, value, str(error)) from None
    if name in ("log_keep", "trace_keep"):
        _keep_rules(name, converted)
    return converted
