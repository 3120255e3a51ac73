"""What a step asks for, resolved to versions, together with what steps need of the product's own packages."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

from helicline.environments.build import digest_of, minor_version, uv
from helicline.errors import Invalid

GROUP = "group:"
# what a step imports of ours, and what its tables and models are handled with
STEP_NEEDS = ("blake3", "duckdb", "httpx", "msgspec", "numpy", "zstandard")
STEP_CLIENTS = ("mlflow-skinny", "pandas")
_INCLUDED = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[ =]?\s*(\S+)", re.MULTILINE)


def resolve(field: str, name: str, folder: Path, *, cache: Path | None = None) -> tuple[str, ...]:
    """Return the requirements of a step, each with its version: of a file, or of `group:NAME` of a pyproject.toml.

    `folder` has the file. What was resolved is used again while the text is the same, if there is a `cache` folder.

    Raises:
        Invalid: there is no such file or group, or no versions fit together.
    """
    arguments, text = _group(field, name, folder) if name.startswith(GROUP) else _file(field, name, folder)
    needs = _step_needs()
    key = digest_of(minor_version(), [text, *needs])
    stored = cache / f"{key}.txt" if cache else None
    if stored and stored.is_file():
        return tuple(stored.read_text().splitlines())
    command = ["pip", "compile", "--quiet", "--universal", "--no-header", "--no-annotate", "--python", sys.executable]
    done = subprocess.run(
        [uv(), *command, *arguments, "-"],
        input="\n".join(needs),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        hint = f"See: uv pip compile {' '.join(arguments)}"
        raise Invalid(f"{field}, env", name, f"requirements that fit together: {done.stderr.strip()}", hint)
    lines = tuple(line for line in done.stdout.splitlines() if line.strip())
    if stored:
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_text("\n".join(lines))
    return lines


def _file(field: str, name: str, folder: Path) -> tuple[list[str], str]:
    path = folder / name
    if not path.is_file():
        raise Invalid(
            f"{field}, env", name, f"a file of requirements below {folder}, or {GROUP}NAME of a pyproject.toml"
        )
    return [name], "\n".join(_texts(path))


def _texts(path: Path) -> Iterator[str]:
    """Yield the text of a file of requirements and of those that it includes."""
    text = path.read_text()
    yield text
    for name in _INCLUDED.findall(text):
        if (path.parent / name).is_file():
            yield from _texts(path.parent / name)


def _group(field: str, name: str, folder: Path) -> tuple[list[str], str]:
    group = name.removeprefix(GROUP)
    project = next(
        (above / "pyproject.toml" for above in (folder, *folder.parents) if (above / "pyproject.toml").is_file()), None
    )
    if project is None:
        raise Invalid(f"{field}, env", name, f"a group of a pyproject.toml: there is none in {folder} or above it")
    groups = tomllib.loads(project.read_text()).get("dependency-groups", {})
    if group not in groups:
        raise Invalid(f"{field}, env", name, f"a group of {project}: {', '.join(groups) or 'it has none'}")
    return ["--group", f"{project}:{group}"], f"{group} of {groups}"


def _step_needs() -> list[str]:
    """Return what a step needs, in the versions that this installation asks for."""
    lines = [line for line in requires("helicline") or [] if "extra ==" not in line]
    return [*(line for line in lines if re.split(r"[^\w-]", line)[0] in STEP_NEEDS), *STEP_CLIENTS]
