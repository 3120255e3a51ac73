"""The limits of the house style, measured. Exceptions: docs/decisions/0008-size-exceptions.md."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "helicline"
TESTS = ROOT / "tests"
NOTE = ROOT / "docs" / "decisions" / "0008-size-exceptions.md"
LIMITS = {"module": 400, "function": 60, "parameters": 6, "class": 250, "folder": 12}
TEST_MODULE = 500
VAGUE = {"utils", "util", "helpers", "helper", "common", "core", "base", "manager", "managers", "misc"}


MAX_POSITIONAL = 3
# functions of a table, which calls all of them alike, and errors, whose arguments are their pickled state
MORE_POSITIONAL = {
    "engine/step.py": {"_keep_table", "_keep_metrics", "_keep_artifact", "_keep_model"},
    "pipeline/runs.py": {"_start", "_retry", "_cancel_step", "act"},
    "errors.py": {"__init__"},
    "tracking/checks.py": {"__init__"},
}


def exceptions():
    rows = re.findall(r"^\| (\w+) \| (\S+) \| (\d+) \|", NOTE.read_text(), re.MULTILINE)
    return {(kind, where): int(measure) for kind, where, measure in rows}


def measures():
    """Yield (what, where, measure) of everything that has a limit."""
    for folder in [SOURCE, *(path for path in SOURCE.rglob("*") if path.is_dir())]:
        if "web" not in folder.parts and "__pycache__" not in folder.parts:
            yield "folder", folder.relative_to(SOURCE).as_posix(), len(list(folder.glob("[!_]*.py")))
    for path in SOURCE.rglob("*.py"):
        where = path.relative_to(SOURCE).as_posix()
        yield "module", where, len(path.read_text().splitlines())
        yield from inside(where, ast.parse(path.read_text()))


def inside(where, tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield "class", f"{where}:{node.name}", node.end_lineno - node.lineno + 1
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{where}:{node.name}"
            yield "function", name, node.end_lineno - node.lineno + 1
            if not node.decorator_list:  # a route's or a command's arguments are its interface
                yield "parameters", name, len([a for a in arguments(node) if a not in ("self", "cls")])


def arguments(node):
    parameters = node.args
    return [parameter.arg for parameter in (*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs)]


def positional(node):
    """Return the positional parameters of a function that its callers choose."""
    parameters = node.args
    names = [parameter.arg for parameter in (*parameters.posonlyargs, *parameters.args)]
    return [name for name in names if name not in ("self", "cls", "tx")]


def too_positional(where, tree):
    """Return the functions of a module with more positional parameters than a reader keeps apart."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [
        f"{where}:{node.name}"
        for node in functions
        if len(positional(node)) > MAX_POSITIONAL and not node.decorator_list
        if node.name not in MORE_POSITIONAL.get(where, ())
    ]


def test_arguments_after_the_third_have_names():
    paths = {path.relative_to(SOURCE).as_posix(): path for path in SOURCE.rglob("*.py")}
    assert [name for where, path in paths.items() for name in too_positional(where, ast.parse(path.read_text()))] == []


def test_a_fourth_positional_argument_is_seen():
    tree = ast.parse("def f(self, tx, a, b, c, d): ...\n\ndef g(tx, a, b, c, *, d): ...\n")
    assert too_positional("x.py", tree) == ["x.py:f"]


def test_nothing_is_over_its_limit_without_a_row_in_the_note():
    allowed = exceptions()
    over = [(kind, where, size) for kind, where, size in measures() if size > allowed.get((kind, where), LIMITS[kind])]
    assert over == []


def test_the_note_holds_no_row_that_is_not_needed():
    measured = {(kind, where): size for kind, where, size in measures()}
    assert {row: size for row, size in exceptions().items() if measured.get(row) != size} == {}


def test_a_measure_of_a_long_function_is_seen():
    text = "def long(a, b, c, d, e, f, g):\n" + "    a = b\n" * 60
    measured = {(kind, size) for kind, _, size in inside("x.py", ast.parse(text))}
    assert measured == {("function", 61), ("parameters", 7)}


def test_test_modules_stay_under_their_limit():
    sizes = {path.relative_to(TESTS).as_posix(): len(path.read_text().splitlines()) for path in TESTS.rglob("*.py")}
    assert {name: size for name, size in sizes.items() if size > TEST_MODULE} == {}


def test_no_file_or_folder_has_a_vague_name():
    named = [path for path in SOURCE.rglob("*") if path.suffix in ("", ".py") and path.stem.lower() in VAGUE]
    assert named == []


def test_every_module_says_what_it_is_in_its_first_line():
    silent = [path for path in SOURCE.rglob("*.py") if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_storage_statements_stay_in_the_store():
    """Rooms hold no SQL text, and no HTTP."""
    rooms = ("data", "tracking", "pipeline", "registry", "gate", "monitor", "loop")
    forbidden = re.compile(r"^\s*(?:import|from) (?:httpx|litestar|uvicorn)|sa\.text\(", re.MULTILINE)
    breaking = [path for room in rooms for path in (SOURCE / room).rglob("*.py") if forbidden.search(path.read_text())]
    assert breaking == []
