"""Names in tests, benchmarks and examples say what the value is."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests", "bench", "docs", "examples")
VAGUE = {
    "asked", "each", "found", "given", "gone", "got", "held", "here", "kept", "known", "left", "made", "mine", "one",
    "others", "ours", "rest", "said", "seen", "taken", "theirs", "there", "told", "wanted", "what", "whole",
}  # fmt: skip


def bound_names(tree):
    """Yield every name that the code binds, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(ctx=ast.Store()):
                yield node.id, node.lineno
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, node.lineno
            case ast.arg():
                yield node.arg, node.lineno
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, node.lineno


def vague_names(path):
    names = bound_names(ast.parse(path.read_text()))
    return [f"{path.relative_to(ROOT)}:{line} {name}" for name, line in names if name in VAGUE]


def test_no_value_has_a_vague_name():
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    assert [name for path in files for name in vague_names(path)] == []


def test_a_vague_name_is_seen_wherever_it_is_bound():
    code = "def told(kept):\n    self.made = [one for one in kept]\n"
    assert sorted(name for name, _ in bound_names(ast.parse(code))) == ["kept", "made", "one", "told"]
