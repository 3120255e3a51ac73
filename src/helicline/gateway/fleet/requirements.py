"""Which requirements of a model the gateway's own interpreter meets."""

from __future__ import annotations

import importlib.metadata
import re

_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*([^;]*)(;.*)?$")
_CLAUSE = re.compile(r"^(===|==|!=|~=|>=|<=|>|<)\s*([0-9A-Za-z.*+!_-]+)$")
_RELEASE = re.compile(r"^[vV]?([0-9]+(?:\.[0-9]+)*)")
MLFLOW = ("mlflow", "mlflow-skinny")


def lines(text: str) -> list[str]:
    """Return the requirements of a file without comments and blank lines."""
    stripped = (line.split(" #")[0].strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def name_of(line: str) -> str:
    """Return the normalised project name of a requirement, or '' if it is a URL or an option."""
    match = _REQUIREMENT.match(line)
    if match is None or line.startswith("-") or "@" in line or "://" in line:
        return ""
    return re.sub(r"[-_.]+", "-", match[1]).lower()


def unmet(text: str) -> list[str]:
    """Return the requirements the present interpreter does not meet; mlflow itself is not checked."""
    return [line for line in lines(text) if name_of(line) not in MLFLOW and not _is_met(line)]


def _is_met(line: str) -> bool:
    name, match = name_of(line), _REQUIREMENT.match(line)
    if not name or match is None or match[4]:
        return False
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    clauses = [clause.strip() for clause in match[3].split(",") if clause.strip()]
    return all(_satisfies(version, clause) for clause in clauses)


def _satisfies(version: str, clause: str) -> bool:
    match = _CLAUSE.match(clause)
    if match is None:
        return False
    operator, required = match[1], match[2]
    if operator == "===" or (operator == "==" and version.split("+")[0] == required.split("+")[0]):
        return version.split("+")[0] == required.split("+")[0]
    installed, needed = _release(version), _release(required)
    if installed is None or needed is None:
        return False
    if required.endswith(".*"):
        same = installed[: len(needed)] == needed
        return same if operator == "==" else operator == "!=" and not same
    return _compare(operator, installed, needed=needed)


def _compare(operator: str, installed: tuple[int, ...], *, needed: tuple[int, ...]) -> bool:
    width = max(len(installed), len(needed))
    have, need = installed + (0,) * (width - len(installed)), needed + (0,) * (width - len(needed))
    if operator == "~=":
        return have >= need and installed[: len(needed) - 1] == needed[:-1]
    results = {"==": have == need, "!=": have != need, ">=": have >= need}
    return (results | {"<=": have <= need, ">": have > need, "<": have < need})[operator]


def _release(version: str) -> tuple[int, ...] | None:
    match = _RELEASE.match(version)
    return tuple(int(part) for part in match[1].split(".")) if match else None
