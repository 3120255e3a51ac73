"""`hl init`: writes a project whose loop runs as it stands."""

from __future__ import annotations

import keyword
import re
import shutil
import subprocess
import sys
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Literal

from helicline.cli.init import tabular
from helicline.cli.init.columns import columns_of
from helicline.cli.init.python_text import python_of
from helicline.cli.show import as_json, say
from helicline.errors import Conflict, Invalid
from helicline.ids import checked_name

MOST_COPIED = 50_000_000  # bytes of data that a project takes a copy of
DATA = "data"
DATASETS = {"recommender": "events", "credit": "applications"}  # of the templates that write their own data
NEEDED = {"mlflow": "mlflow", "scikit-learn": "sklearn", "pandas": "pandas"}  # by the templates with a model


def init(
    folder: Path,
    *,
    template: Literal["blank", "tabular", "recommender", "credit"] | None = None,
    data: Path | None = None,
    label: str = "",
    json: bool = False,
) -> None:
    """Begin a project in a new folder: a loop that runs, with a contract of its data, and tests.

    Example: `hl init churn --data customers.csv --label churned`

    Parameters
    ----------
    folder
        The folder that is made; its name is the loop's.
    template
        `tabular` learns a column of a table from the others; `recommender` answers lists of items, and `credit` has
        labels that come late, both with data of their own to begin with; `blank` has no model. By default tabular
        where there is data.
    data
        The table to learn from: CSV, JSON lines, Parquet or Arrow. It is looked into, and nothing is changed.
    label
        The column that is to be learned.
    """
    name = checked_name("project", folder.resolve().name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict("folder", str(folder), "is there already; name a new one, or an empty one")
    chosen = template or ("tabular" if data is not None else "blank")
    if (chosen == "tabular") != (data is not None):
        both = f"{chosen} and {'no file' if data is None else data}"
        raise Invalid("--template and --data", both, "tabular with the file of a table, or another one without")
    values, notes, example = {"name": name, "function": _function(name), "loop": python_of(name)}, [], None
    if dataset := DATASETS.get(chosen):
        values |= {"dataset": python_of(f"{dataset}@main"), "dataset_name": dataset}
    if data is not None:
        table = columns_of(data, label, dataset=name)
        values |= tabular.values_of(table, dataset=name, data=_place_of(data))
        notes, example = tabular.notes_of(table, data.name), tabular.example_of(data, table)
    written = _write(folder, files("helicline.cli.init") / "templates" / chosen, values)
    if data is not None and _is_copied(data):
        (folder / DATA).mkdir()
        shutil.copyfile(data, folder / DATA / data.name)
        written.append(f"{DATA}/{data.name}")
    if example is not None:
        (folder / "example.json").write_bytes(example)
        written.append("example.json")
    if dataset:
        subprocess.run([sys.executable, "data.py"], cwd=folder, check=True)
        written.append(f"{DATA}/{dataset}.csv")
    if json:
        as_json({"folder": str(folder), "template": chosen, "files": written, "notes": notes})
        return
    for note in notes:
        say("  {}", note)
    say("[bold]{}[/]: {}", folder, ", ".join(written))
    _say_next(folder, chosen)


def _say_next(folder: Path, chosen: str) -> None:
    missing = [package for package, module in NEEDED.items() if chosen != "blank" and find_spec(module) is None]
    if missing:
        say("install what it learns with: pip install -r {}", folder / "requirements.txt")
    say("next, in {}:", folder)
    say("  hl up --detach")
    say("  hl run loop.py")


def _function(name: str) -> str:
    """Return a name as that of a Python function."""
    plain = re.sub(r"\W", "_", name)
    return f"loop_{plain}" if not plain.isidentifier() or keyword.iskeyword(plain) else plain


def _is_copied(data: Path) -> bool:
    return data.stat().st_size <= MOST_COPIED


def _place_of(data: Path) -> str:
    """Return the path by which the loop file names its data: below its folder, where it is copied to."""
    return f"{DATA}/{data.name}" if data.is_file() and _is_copied(data) else str(data.resolve())


def _write(folder: Path, template: Traversable, values: dict[str, str], *, below: str = "") -> list[str]:
    """Write the files of a template with its values filled in, and return their names."""
    written = []
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(template.iterdir(), key=lambda entry: entry.name):
        name = source.name.removesuffix(".template")
        if source.is_dir():
            written += _write(folder / name, source, values, below=f"{below}{name}/")
        elif source.name.endswith(".template"):
            target = ".gitignore" if name == "gitignore" else name
            (folder / target).write_text(Template(source.read_text("utf-8")).substitute(values), "utf-8")
            written.append(f"{below}{target}")
    return written
