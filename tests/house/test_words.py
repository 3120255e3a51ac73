"""Words that say nothing of a value are not used as names; docs/words.md has the words of this project."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "helicline"
TESTS = ROOT / "tests"
VAGUE = set(
    """one found told asked said given thing things wanted wish known held kept seen taken made each these those who
    left gone mine ours theirs others here there stands lacking whole""".split()  # noqa: SIM905
)
METAPHORS = set(
    """sheet courier doorman doorkeeper nursery desk papers house witness corked stretch later marks
    journal""".split()  # noqa: SIM905
)
# a method of SQLAlchemy, and a column that every database of an earlier release has
FIXED = {("one", "attribute"), ("wanted", "name")}
# what may remain of vague names in the tests: this number only ever falls
TESTS_CEILING = 2100


def names(tree):
    """Yield every identifier that a module gives or uses, with its kind."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id, "name"
        elif isinstance(node, ast.arg) or (isinstance(node, ast.keyword) and node.arg):
            yield node.arg, "parameter"
        elif isinstance(node, ast.Attribute):
            yield node.attr, "attribute"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, "definition"
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name, "name"


def vague(folder):
    """Return the places of vague names below a folder."""
    return [
        f"{path.relative_to(ROOT).as_posix()}: {name}"
        for path in sorted(folder.rglob("*.py"))
        for name, kind in names(ast.parse(path.read_text()))
        if name.strip("_") in VAGUE and (name, kind) not in FIXED
    ]


def test_no_name_in_the_source_is_vague():
    assert vague(SOURCE) == []


def test_vague_names_in_the_tests_only_become_fewer():
    assert len(vague(TESTS)) <= TESTS_CEILING


def test_no_file_is_named_by_a_metaphor_or_a_vague_word():
    stems = {path.stem.strip("_").lower(): path for folder in (SOURCE, TESTS) for path in folder.rglob("*.py")}
    assert {stem: stems[stem] for stem in stems if set(stem.split("_")) & (VAGUE | METAPHORS)} == {}


def test_a_vague_name_is_seen():
    text = "def f(found):\n    return [one for one in found.kept]\n"
    assert [name for name, _ in names(ast.parse(text)) if name in VAGUE] == ["found", "one", "one", "kept", "found"]
