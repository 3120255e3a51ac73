"""Writes docs/cli.md from the tree of commands, docs/settings.md from the settings and docs/python.md from docstrings.

Run it after a change of one of them: `python docs/generate.py`. The tests fail while the pages are behind.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import python_page

from helicline.cli.app import app
from helicline.settings import FILE, PREFIX, Settings

FOLDER = Path(__file__).parent
SETTINGS = {
    "home": "Folder of this project's database, blobs, logs and prediction log.",
    "url": "Server that the SDK and the commands talk to; empty: the one of the home.",
    "token": "Bearer token that the SDK and the commands send.",
    "database": "SQLAlchemy URL of a PostgreSQL database; empty: `meta.db` (SQLite) in the home.",
    "secret_key": "Encrypts webhook secrets, alike on all servers of a database; empty: a file of the home.",
    "blobs": "Where blobs are kept: a folder or a bucket (`s3://`, `gs://`, `az://`); empty: in the home.",
    "presigned": "With a bucket: let MLflow clients move large artifacts to and from it themselves, by signed URLs.",
    "host": "Address that server and gateway listen on.",
    "port": "Port of the server; 0 takes a free one.",
    "gateway_port": "Port of the gateway; 0 takes a free one.",
    "allowed_hosts": "Further names that the server answers to, joined by commas.",
    "auth": "`local`: callers on this machine need no token. `token`: everybody needs one.",
    "max_body_bytes": "Largest body of a request that is not an upload.",
    "max_upload_bytes": "Largest blob or artifact.",
    "worker_slots": "Tasks that a worker runs at a time.",
    "lease_s": "Seconds after which a silent worker's task goes to another.",
    "tick_s": "Seconds between two looks of the reconciler when nothing happens.",
    "isolation": "Run steps and models with their own files only, and as another user where the program runs as root.",
    "readable_paths": "Further files and folders that steps and models may read, separated like `PATH`.",
    "writable_paths": "Further folders that steps and models may write to, separated like `PATH`.",
    "passed_environment": "Further variables that steps and models get, separated by commas: names, or `AWS_*`.",
    "webhook_private": "Let webhooks lead to addresses of the own network, and over plain http.",
    "log_seal_s": "Seconds after which a segment of the prediction log is sealed.",
    "log_keep": "Age and size of each deployment's prediction log: `400d, 50GB, churn=30d`. Empty keeps everything.",
    "event_keep": "Age of events that go to compressed files of the home: `400d`, at least `30d`. Empty: none go.",
    "process_log_keep": "Age and size of the logs of steps and model workers: `90d, 2GB`. Empty keeps everything.",
    "trace_keep": "Age of traces, by experiment: `90d, chat=30d`. Empty keeps everything.",
    "audit_anchor": "A file or bucket (s3://...) outside of the home for signed checkpoints of the audit trail.",
    "log_level": "Least level that the server logs: DEBUG, INFO, WARNING, ERROR.",
}


def settings_page() -> str:
    """Return docs/settings.md."""
    rows = [
        f"| `{field.name}` | `{PREFIX}{field.name.upper()}` | {_shown(field.default)} | {SETTINGS[field.name]} |"
        for field in msgspec.structs.fields(Settings)
    ]
    head = (
        f"# Settings\n\nOrder, later wins: default, `{FILE}` in the project folder, environment. "
        "`hl config show` tells each value and where it comes from.\n\n"
        f"| in `{FILE}` | in the environment | default | meaning |\n|---|---|---|---|\n"
    )
    return head + "\n".join(rows) + "\n"


def _shown(default: Any) -> str:
    return f"`{default}`" if default != "" else ""


def commands(parent: Any = app, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command that can be run, by its full name."""
    for name in sorted(_names(parent)):
        child = parent[name]
        if child.default_command is not None:
            yield f"{prefix}{name}", child
        yield from commands(child, f"{prefix}{name} ")


def _names(parent: Any) -> list[str]:
    return [name for name in parent if not name.startswith("-")]


def cli_page() -> str:
    """Return docs/cli.md."""
    return "# Commands\n\n" + "\n".join(_section(name, command) for name, command in commands())


def _section(name: str, command: Any) -> str:
    text = inspect.getdoc(command.default_command) or ""
    body, _, _ = text.partition("Parameters\n------")
    described = re.sub(r"\s*Example: ", "\n\nExample: ", body.strip()).strip()
    words = list(_usage(command))
    verb, marker, _ = name.partition(" --")  # what follows a marker is not ours: options stand before it
    usage = " ".join(["hl", name, *words] if not marker else ["hl", verb, *words[1:], "--", words[0]])
    notes = [f"* `{names}`: {note}" for names, note in _notes(command, text)]
    parts = [f"## hl {name}", described, f"```\n{usage}\n```", *(["\n".join(notes)] if notes else [])]
    return "\n\n".join(parts) + "\n"


def _usage(command: Any) -> Iterator[str]:
    for name, parameter in inspect.signature(command.default_command).parameters.items():
        flag = name.replace("_", "-")
        if parameter.kind is parameter.KEYWORD_ONLY:
            needed = parameter.default is parameter.empty
            shown = f"--{flag}" if isinstance(parameter.default, bool) else f"--{flag} {flag.upper()}"
            yield shown if needed else f"[{shown}]"
        else:
            yield flag.upper() if parameter.default is parameter.empty else f"[{flag.upper()}]"


def _notes(command: Any, text: str) -> Iterator[tuple[str, str]]:
    parameters = inspect.signature(command.default_command).parameters
    _, _, section = text.partition("Parameters\n----------\n")
    for name, note in re.findall(r"^(\w+)\n((?: {4}.*\n?)+)", section, re.MULTILINE):
        is_option = parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        yield (f"--{name.replace('_', '-')}" if is_option else name.upper()), " ".join(note.split())


PAGES = {"cli.md": cli_page, "settings.md": settings_page, "python.md": python_page.page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())
