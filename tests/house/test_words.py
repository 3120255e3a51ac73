"""Words that say nothing of a value are not used as names; docs/words.md has the words of this project."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
VAGUE = {
    "one", "found", "told", "asked", "said", "given", "thing", "things", "wanted", "wish", "known", "held", "kept",
    "seen", "taken", "made", "each", "these", "those", "who", "left", "gone", "got", "mine", "ours", "theirs",
    "others", "here", "there", "stands", "lacking", "whole",
}  # fmt: skip
METAPHORS = {
    "sheet", "courier", "doorman", "doorkeeper", "nursery", "desk", "papers", "house", "witness", "corked", "stretch",
    "later", "marks", "journal",
}  # fmt: skip
FOLDERS = ("src/helicline", "tests", "bench", "docs", "examples")
# names that a wire, a stored row, or an interface of others gives
FIXED = {
    "src/helicline/records/deployment.py": {"wanted"},
    "src/helicline/errors.py": {"got"},
    "src/helicline/loop/spec_checks.py": {"got"},
    "src/helicline/tracking/checks.py": {"got"},
}
CEILING = 0  # of what remains: this number only ever falls


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
            case ast.ExceptHandler(name=str() as name) | ast.MatchAs(name=str() as name):
                yield name, node.lineno


def vague_names(path):
    """Return the places of a file where a vague name is bound."""
    fixed = FIXED.get(path.relative_to(ROOT).as_posix(), set())
    names = bound_names(ast.parse(path.read_text()))
    return [f"{path.relative_to(ROOT)}:{line} {name}" for name, line in names if name.strip("_") in VAGUE - fixed]


def test_vague_names_only_become_fewer():
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    remaining = [name for path in files for name in vague_names(path)]
    assert len(remaining) <= CEILING, remaining


def test_no_file_is_named_by_a_metaphor_or_a_vague_word():
    stems = {path.stem.strip("_").lower(): path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    assert {stem: stems[stem] for stem in stems if set(stem.split("_")) & (VAGUE | METAPHORS)} == {}


def test_a_vague_name_is_seen_wherever_it_is_bound():
    code = "def told(kept):\n    self.made = [one for one in kept]\n"
    assert sorted(name for name, _ in bound_names(ast.parse(code))) == ["kept", "made", "one", "told"]
