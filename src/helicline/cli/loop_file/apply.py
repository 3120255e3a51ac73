"""Loop files: `hl apply` reads one, checks it, and records its loops with their code and their first data."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from helicline.cli.data import show_version
from helicline.cli.loop_file import lines
from helicline.cli.show import as_json, connect, print_error, say
from helicline.errors import HeliclineError, Invalid, NotFound
from helicline.records.dataset import DatasetVersion
from helicline.records.loop import LoopSpec
from helicline.records.pipeline import CodeState
from helicline.sdk import code, data
from helicline.sdk.client import Client
from helicline.sdk.environment import capture
from helicline.sdk.local_files import files_of
from helicline.sdk.steps.graph import Dataset
from helicline.sdk.steps.place import place_of, placed


def load_loops(path: Path) -> list[Any]:
    """Return the hl.Loop objects that a Python file defines.

    Raises:
        Invalid: the file does not exist, does not run, or defines no loop.
    """
    from helicline.sdk.loop import Loop as LoopObject

    if not path.is_file():
        raise Invalid("file", str(path), "a Python file that defines an hl.Loop")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except HeliclineError as error:
        raise placed(error, place_of(error, Path.cwd()) or str(path)) from None
    except Exception as error:
        wrong = Invalid(str(path), f"{type(error).__name__}: {error}", "a file that runs", f"Try: python {path}")
        raise placed(wrong, place_of(error, Path.cwd())) from None
    loops = [value for value in vars(module).values() if isinstance(value, LoopObject)]
    if not loops:
        raise Invalid(str(path), "no loop", "a file that defines one, like `loop = hl.Loop(...)`")
    return loops


def problems_of(client: Client, path: Path, loops: list[Any]) -> list[dict[str, Any]]:
    """Return all that cannot work in the loops of a file, each problem with its line; nothing is recorded."""
    environment = capture()
    problems: list[dict[str, Any]] = []
    for loop in loops:
        spec = loop.spec(state=CodeState(bundle=""), environment=environment)
        answer = client.post("/loops/check", dict[str, Any], spec)["items"]
        problems += [
            {"loop": loop.name, "line": lines.line_of(path, problem["field"], spec), **problem} for problem in answer
        ]
    first = {dataset.spec for dataset in _with_files(loops)}
    problems = [problem for problem in problems if problem["severity"] != "warning" or problem["got"] not in first]
    return problems + lines.relative_code_paths(path)


def _with_files(loops: list[Any]) -> list[Dataset]:
    """Return the datasets of the loops' pipelines that name the files of their first version, each once.

    Raises:
        Invalid: there is no such file; or a dataset is named twice, with different files.
    """
    datasets: dict[str, Dataset] = {}
    for dataset in [dataset for loop in loops for dataset in loop.pipeline.datasets if dataset.files]:
        if datasets.setdefault(dataset.spec, dataset) != dataset:
            raise Invalid(f"dataset {dataset.spec}, files", ", ".join(dataset.files), "the same wherever it is named")
        files_of(dataset.files)
    return list(datasets.values())


def _print_problems(problems: list[dict[str, Any]], path: Path, *, json: bool) -> None:
    """Print each problem with its line, and end the command where one of them is an error."""
    failed = any(problem["severity"] == "error" for problem in problems)
    if json and failed:
        as_json({"problems": problems})
    for problem in () if json else problems:
        error = Invalid(problem["field"], problem["got"], problem["allowed"], problem["hint"])
        place = f"{path}:{problem['line']}" if problem["line"] else str(path)
        print_error(error, place=place, severity=problem["severity"])
    if failed:
        raise SystemExit(1)


def record(client: Client, path: Path) -> list[tuple[LoopSpec, dict[str, Any]]]:
    """Upload the code of a loop file and record its loops; return each spec with the server's answer."""
    return _record(client, path, load_loops(path))


def _record(client: Client, path: Path, loops: list[Any]) -> list[tuple[LoopSpec, dict[str, Any]]]:
    commands = [step.command for loop in loops for step in loop.pipeline.trace()[0] if step.command]
    content, files = code.bundle(path, commands)
    state = CodeState(bundle=client.put_bytes(content), files=files, **code.git_state(path.resolve().parent))
    environment = capture()
    specs = [loop.spec(state=state, environment=environment) for loop in loops]
    return [(spec, client.post("/loops", dict[str, Any], spec)) for spec in specs]


def _commit_first_data(client: Client, loops: list[Any], *, quiet: bool) -> None:
    """Commit the files that datasets name as their first version; after the loops, so that contracts are checked."""

    def tell(line: str) -> None:
        if not quiet:
            say("  {}", line)

    for dataset in _with_files(loops):
        name, _, ref = dataset.spec.partition("@")
        try:
            client.get(f"/datasets/{name}/versions/{ref}", DatasetVersion)
            tell(f"{dataset.spec} has versions already: a further one is made with hl data commit {name} FILE")
        except NotFound:
            version = data.commit(name, dataset.files, ref=ref, client=client, tell=tell)
            if not quiet:
                show_version(version)


def applied(client: Client, file: Path, *, quiet: bool = False) -> list[tuple[LoopSpec, dict[str, Any]]]:
    """Record the loops of a file and the first versions of their data; return each spec with the server's answer.

    What changed is printed, unless `quiet`: then only problems are, as JSON.

    Raises:
        Invalid: the file defines no loop. SystemExit: something in it cannot work; each problem is printed.
    """
    loops = load_loops(file)
    _print_problems(problems_of(client, file, loops), file, json=quiet)
    answers = _record(client, file, loops)
    for spec, answer in () if quiet else answers:
        changes = answer["changes"]
        verdict = "recorded" if "new" in changes else f"changed: {', '.join(changes)}" if changes else "unchanged"
        say("[bold]{}[/] {}", spec.name, verdict)
        counts = [len(part) for part in (spec.pipeline.steps, spec.gates, spec.monitors, spec.triggers)]
        say("  {} steps, {} gates, {} monitors, {} triggers", *counts)
    _commit_first_data(client, loops, quiet=quiet)
    return answers


def apply(file: Path = Path("loop.py"), *, check: bool = False, json: bool = False) -> None:
    """Record the loops of a Python file: idempotent, versioned, diffed. What cannot work is refused with its line.

    Datasets that name their files get them as their first version, where they have none.

    Example: `hl apply loop.py`

    Args:
        file: the Python file that defines the loops.
        check: only tell what cannot work, all of it at once; record nothing.
        json: print JSON instead of text.
    """
    client = connect()
    if check:
        problems = problems_of(client, file, load_loops(file))
        _print_problems(problems, file, json=json)
        verdict = "nothing speaks against recording it" if problems else "nothing speaks against it"
        as_json({"problems": problems}) if json else say("{}: {}", file, verdict)
        return
    answers = applied(client, file, quiet=json)
    if json:
        as_json([answer for _, answer in answers])
        return
    for spec, _ in answers:
        say("turn it once with: hl run {}", spec.name)
