"""Every command and address that a page, a message or a document names exists."""

import ast
import inspect
import re
import shlex
from pathlib import Path

import pytest
from cyclopts import CycloptsError

from helicline.cli.app import app, arguments_of
from helicline.gateway.front import router
from helicline.server.permissions import API, PERMISSIONS

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "helicline"
UI = ROOT / "ui" / "src"
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "bench" / "README.md"]
PYTHON = sorted(path for path in SOURCE.rglob("*.py") if "web" not in path.parts)
PAGES = sorted(path for path in UI.rglob("*.ts*") if path.name != "schema.d.ts" and ".test." not in path.name)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(hl [^`]+)`")
TO_THE_END = re.compile(r"(?<![\w`./-])(hl [a-z][^`\n]*)")
EXPRESSION = re.compile(r"\$\{[^{}]*\}")
VALUE = "7"  # stands for a value that is only routes when the program runs; every parameter accepts it


def problem(command):
    """Return why a command line cannot be parsed, or an empty string."""
    try:
        app.parse_args(arguments_of(shlex.split(command, comments=True)[1:]), print_error=False, exit_on_error=False)
    except (CycloptsError, ValueError) as error:
        return str(error) or type(error).__name__
    return ""


def is_name(command):
    """Return whether the words are the name of a command or a group, or end in the name of an option."""
    words = arguments_of(shlex.split(command)[1:])
    return words == ["run --"] or not app.parse_commands(words)[2] or not problem(f"{command} {VALUE}")


def in_shell(line):
    """Yield the `hl` commands of a line for the shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;()")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words = []
    for word in [*lexer, ";"]:
        if set(word) <= set("&|;()"):
            if words[:1] == ["hl"]:
                yield shlex.join(words)
            words = []
        elif words or not re.match(r"\w+=", word):
            words.append(word)


def of_document(text, *, has_synopses=False):
    """Yield (command, whether a bare name will do) of a Markdown text."""
    for language, body in () if has_synopses else FENCE.findall(text):
        for line in body.splitlines() if language in ("", "sh", "bash", "console", "shell") else ():
            if re.match(r"(?:\$ )?(?:\w+=\S* )*hl ", line):
                yield from ((command, False) for command in in_shell(line.removeprefix("$ ")))
    for command in INLINE.findall(FENCE.sub("", text)):
        yield command, True


def of_message(text):
    """Yield the commands of a message: between backticks, or from `hl` to the end of the message."""
    yield from INLINE.findall(text)
    for command in TO_THE_END.findall(INLINE.sub("", text)):
        yield command.rstrip(".)")


def strings(tree):
    """Yield the text of every string but docstrings, with a value in place of each expression."""
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            skipped |= {id(first.value)} if isinstance(first, ast.Expr) else set()
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in ast.walk(node) if part is not node}
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else VALUE for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def of_python(path):
    """Yield (command, whether a bare name will do) of a module's docstrings and messages."""
    tree = ast.parse(path.read_text())
    for text in docstrings(tree):
        yield from ((command, True) for command in INLINE.findall(text))
    for text in strings(tree):
        if not text.startswith("hl run: "):  # the prefix of a line on standard error
            yield from ((command, False) for command in of_message(text))


def without_expressions(text):
    """Return a script with a value in place of each expression of its template strings."""
    while EXPRESSION.search(text):
        text = EXPRESSION.sub("\0", text)
    return text


def literals(text):
    """Yield the string literals of a script."""
    text = re.sub(r"/\*.*?\*/|(?<![:'\"`])//[^\n]*", "", without_expressions(text), flags=re.DOTALL)
    for _, literal in re.findall(r"(['\"`])((?:(?!\1)[^\\]|\\.)*)\1", text):
        yield literal.replace(r"\n", "\n").replace(r"\'", "'")


def of_page(path):
    """Yield the commands of a page's strings, a line each."""
    for literal in literals(path.read_text()):
        for line in literal.replace("\0", VALUE).splitlines():
            yield from ((command, False) for command in of_message(line))


def wrong(commands):
    return {
        command: why
        for command, may_be_name in commands
        if not (may_be_name and is_name(command)) and (why := problem(command))
    }


def name_of(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", DOCUMENTS, ids=name_of)
def test_every_command_of_a_document_can_be_typed(page):
    assert wrong(of_document(page.read_text(), has_synopses=page.name == "cli.md")) == {}


def test_every_command_of_a_message_of_the_program_can_be_typed():
    assert {name_of(path): bad for path in PYTHON if (bad := wrong(of_python(path)))} == {}


def test_every_command_of_a_page_can_be_typed():
    assert {name_of(path): bad for path in PAGES if (bad := wrong(of_page(path)))} == {}


def test_commands_are_seen_wherever_they_stand():
    document = "Use `hl gone`.\n```\n$ A=1 hl up && hl no x | less\n```\n"
    assert [command for command, _ in of_document(document)] == ["hl up", "hl no x", "hl gone"]
    assert list(of_message("See `hl deploy ls`, or start it: hl up.")) == ["hl deploy ls", "hl up"]
    assert wrong([("hl deploy churn churn/1", False), ("hl import mlflow", True), ("hl up", False)]).keys() == {
        "hl deploy churn churn/1"
    }


UI_ROUTES = re.findall(r"^    (?:path: )?'(/[^']*)',$", (UI / "app" / "router.tsx").read_text(), re.MULTILINE)
UI_FILES = [f"/{path.name}" for path in (ROOT / "ui" / "public").iterdir()]
ROUTES = [route.strip("/").split("/") for route in ("/", *(path for _, path in PERMISSIONS), *UI_ROUTES, *UI_FILES)]


def exists(address):
    r"""Return whether an address leads to a route of the API, a page or a file; `\0` matches any segment."""
    path = re.sub(r"(?<=[^/])\0.*$", "", address.partition("?")[0].partition("#")[0])
    is_end = path.startswith("\0/")  # of an address whose beginning another literal has
    segments = path.removeprefix("\0").removeprefix(API).strip("/").split("/")
    ends = [route[len(route) - len(segments) :] if is_end else route for route in ROUTES]
    return any(
        len(end) == len(segments) and all(matches(*pair, is_end=is_end) for pair in zip(segments, end, strict=True))
        for end in ends
    )


def matches(segment, of_route, *, is_end):
    return segment in ("\0", of_route) or (not is_end and of_route[:1] in ("{", "$"))


def addresses_of_page(path):
    for literal in literals(path.read_text()):
        if re.fullmatch(r"\0?/[a-z][^\s<>]*[^/]", literal):
            yield literal


def test_every_address_of_a_page_has_a_route():
    assert {
        name_of(path): bad for path in PAGES if (bad := [a for a in addresses_of_page(path) if not exists(a)])
    } == {}


def test_every_address_of_the_api_in_a_document_or_message_has_a_route():
    texts = {name_of(page): page.read_text() for page in DOCUMENTS}
    texts |= {name_of(path): "\n".join(strings(ast.parse(path.read_text()))) for path in PYTHON}
    named = {name: re.findall(rf"{API}(/[^\s`\"'),;<>]+)", text) for name, text in texts.items()}
    assert {name: bad for name, paths in named.items() if (bad := [path for path in paths if not exists(path)])} == {}


def test_every_address_of_the_gateway_in_a_document_has_a_route():
    routes = {text for text in strings(ast.parse(inspect.getsource(router))) if text.startswith("/") and len(text) > 1}
    named = [path for page in DOCUMENTS for path in re.findall(r":7080(/[^\s`\"'),;|]+)", page.read_text())]
    missing = [path for path in named if not any(path.startswith(route) for route in routes)]
    assert named
    assert missing == []


def test_a_wrong_address_is_seen():
    right = ["/models/\0/\0", "/runs/latest\0", "\0/protect", f"{API}/status"]
    assert [address for address in ["/modles/\0", "\0/no-verb", *right] if exists(address)] == right


def test_what_comes_from_elsewhere_is_a_value_of_what_is_printed_and_no_part_of_its_markup():
    """Names and messages hold brackets and control characters; only a template that is written here has styles."""
    built = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in PYTHON
        if path.parent.name in ("cli", "transfer") and path.name != "show.py"
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("say", "styled")
        if not isinstance(call.args[0], ast.Constant)
    ]
    assert built == []
