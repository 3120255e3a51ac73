"""Whether the present interpreter has what a model's requirements.txt asks for."""

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
    """Return the requirements the present interpreter does not meet; mlflow itself is not looked at."""
    return [line for line in lines(text) if name_of(line) not in MLFLOW and not _met(line)]


def _met(line: str) -> bool:
    name, match = name_of(line), _REQUIREMENT.match(line)
    if not name or match is None or match[4]:
        return False
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    clauses = [clause.strip() for clause in match[3].split(",") if clause.strip()]
    return all(_agrees(version, clause) for clause in clauses)


def _agrees(version: str, clause: str) -> bool:
    match = _CLAUSE.match(clause)
    if match is None:
        return False
    operator, wanted = match[1], match[2]
    if operator == "===" or (operator == "==" and version.split("+")[0] == wanted.split("+")[0]):
        return version.split("+")[0] == wanted.split("+")[0]
    have, want = _release(version), _release(wanted)
    if have is None or want is None:
        return False
    if wanted.endswith(".*"):
        same = have[: len(want)] == want
        return same if operator == "==" else operator == "!=" and not same
    return _compare(operator, have, want=want)


def _compare(operator: str, have: tuple[int, ...], *, want: tuple[int, ...]) -> bool:
    width = max(len(have), len(want))
    left, right = have + (0,) * (width - len(have)), want + (0,) * (width - len(want))
    if operator == "~=":
        return left >= right and have[: len(want) - 1] == want[:-1]
    outcomes = {"==": left == right, "!=": left != right, ">=": left >= right}
    return (outcomes | {"<=": left <= right, ">": left > right, "<": left < right})[operator]


def _release(version: str) -> tuple[int, ...] | None:
    match = _RELEASE.match(version)
    return tuple(int(part) for part in match[1].split(".")) if match else None
