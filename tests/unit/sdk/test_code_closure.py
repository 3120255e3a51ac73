"""The hash of a step's code changes by an edit of what the step reaches and by nothing else, in generated modules."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helicline.sdk.code import closure_hash, definition_hash, project_files

NAMES = tuple(f"n{number}" for number in range(6))
# how a definition of the steps' own module is written: `refs` is a list of the names that it refers to
FORMS = {
    "function": "def {name}(x):\n    return [x, {value}, {refs}]\n",
    "decorated": "@hl.step(retries={run_option})\ndef {name}(x):\n    return [x, {value}, {refs}]\n",
    "constant": "{name} = lambda: [{value}, {refs}]\n",
    "two constants": "{name} = {other} = lambda: [{value}, {refs}]\n",
    "class": "class {name}:\n    size = {value}\n    def call(self):\n        return [{refs}]\n",
    "changed item": "{name} = {{}}\n{name}['a'] = lambda: [{value}, {refs}]\n",
    "changed by a method": "{name} = []\n{name}.append(lambda: [{value}, {refs}])\n",
    "added to": "{name} = []\n{name} += [lambda: [{value}, {refs}]]\n",
    "attribute": "def {name}(): ...\n{name}.rest = lambda: [{value}, {refs}]\n",
    "conditional": "if hl:\n    def {name}(x):\n        return [{value}, {refs}]\nelse:\n    {name} = None\n",
    "tried": "try:\n    {name} = lambda: [{value}, {refs}]\nexcept ImportError:\n    {name} = None\n",
    "default": "def {name}(x=lambda: [{value}, {refs}]):\n    return x\n",
    "loop": "for {name} in [lambda: [{value}, {refs}]]:\n    pass\n",
}
# how another module of the project is reached: at the top and used in a definition, or within the definition
IMPORTS = {
    "m0": ("import m0\n", "m0.value"),
    "m1": ("from m1 import value as of_m1\n", "of_m1"),
    "pkg.a": ("import pkg.a\n", "pkg.a.value"),
    "pkg.b": ("from pkg import b\n", "b.value"),
    "pkg.c": ("", "__import__('math') if False else (lambda: [value for value in ()])"),
}
OTHERS = ("m0", "m1", "pkg.a", "pkg.b", "pkg.c", "pkg")
INSIDE = {"m0": "import {}", "pkg": "from . import {}"}


@st.composite
def projects(draw):
    """A project: definitions with their form, references, shadowed names and imports; and what other modules import."""
    count = draw(st.integers(2, len(NAMES)))
    names = NAMES[:count]
    definitions = {
        name: {
            "form": draw(st.sampled_from(sorted(FORMS))),
            "refs": draw(st.sets(st.sampled_from(names), max_size=2)),
            "modules": draw(st.sets(st.sampled_from(sorted(IMPORTS)[:4]), max_size=1)),
            "inner": draw(st.booleans()),
        }
        for name in names
    }
    order = {name: number for number, name in enumerate(OTHERS)}
    links = {
        module: draw(
            st.sets(st.sampled_from([other for other in OTHERS[:5] if order[other] > order[module]]), max_size=2)
        )
        for module in OTHERS[:4]
    }
    return definitions, links


def text_of(definitions, edited="", *, noise=0):
    """Return the steps' own module; `edited` is a definition with another value."""
    parts = ["import helicline as hl\n", *(top for top, _ in IMPORTS.values())]
    for name, entry in definitions.items():
        refs = [*sorted(entry["refs"]), *(IMPORTS[module][1] for module in sorted(entry["modules"]))]
        shadows = [other for other in definitions if other not in entry["refs"] and other != name]
        refs += [f"(lambda {', '.join(shadows)}: [{', '.join(shadows)}])"] if shadows else []
        form = FORMS[entry["form"]]
        parts.append(
            form.format(
                name=name, other=f"{name}_too", value=2 if name == edited else 1, refs=", ".join(refs), run_option=noise
            )
        )
    parts.append(f"if __name__ == '__main__':\n    {next(iter(definitions))}({noise})\n")
    return f'"""Noise {noise}."""\n' + f"# {noise}\n".join(parts)


def write(root, definitions, links, *, edited="", noise=0):
    """Write the project; `edited` is the definition or module that has another value."""
    (root / "steps.py").write_text(text_of(definitions, edited, noise=noise))
    (root / "pkg").mkdir(exist_ok=True)
    (root / "unreached.py").write_text(f"value = {noise}\n")
    for module in OTHERS:
        path = root / (module.replace(".", "/") + ("/__init__.py" if module == "pkg" else ".py"))
        lines = [import_line(module, target) for target in sorted(links.get(module, ()))]
        path.write_text(f'"""{noise}"""\n' + "".join(lines) + f"value = {2 if module == edited else 1}\n")
    return root / "steps.py"


def import_line(module, target):
    """Import `target` in `module`: relatively, where both are in the package."""
    if module.startswith("pkg.") and target.startswith("pkg."):
        return f"from . import {target.removeprefix('pkg.')}\n"
    return f"import {target}\n"


def reached(definitions, links, start):
    """Return the definitions and modules that `start` reaches, by how the project was generated."""
    names, modules, pending = set(), set(), [start]
    while pending:
        name = pending.pop()
        if name not in names:
            names.add(name)
            modules |= definitions[name]["modules"]
            pending += definitions[name]["refs"]
    pending = list(modules)
    while pending:
        module = pending.pop()
        pending += links.get(module, set()) - modules
        modules |= links.get(module, set())
    return names | modules | ({"pkg"} if any(module.startswith("pkg.") for module in modules) else set())


@settings(max_examples=150, deadline=None)
@given(project=projects(), data=st.data())
def test_an_edit_changes_the_hash_exactly_where_the_step_reaches_it(project, data):
    definitions, links = project
    start = data.draw(st.sampled_from(sorted(definitions)))
    edited = data.draw(st.sampled_from([*sorted(definitions), *OTHERS]))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        before = definition_hash(write(root, definitions, links), start, root=root)
        after = definition_hash(write(root, definitions, links, edited=edited, noise=7), start, root=root)
    assert (before != after) == (edited in reached(definitions, links, start))


def project_of(root, **files):
    """Write files by name (`pkg__a` is pkg/a.py), and return the hash of `train` in steps.py."""
    for name, text in files.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return definition_hash(root / "steps.py", "train", root=root)


STEPS = "def train(x):\n    {body}\n"


@pytest.mark.parametrize(
    ("steps", "other"),
    [
        ("from helping import *\n" + STEPS.format(body="return scale(x)"), "helping"),
        (STEPS.format(body="from pkg import a; return a.scale(x)"), "pkg__a"),
        ("import pkg.a as inner\n" + STEPS.format(body="return inner.scale(x)"), "pkg__a"),
        (
            "try:\n    from helping import scale\nexcept ImportError:\n    scale = None\n"
            + STEPS.format(body="return scale"),
            "helping",
        ),
    ],
)
def test_every_form_of_import_is_followed(tmp_path, steps, other):
    before = project_of(tmp_path, steps=steps, **{other: "def scale(x): return x\n"})
    assert project_of(tmp_path, steps=steps, **{other: "def scale(x): return 2 * x\n"}) != before


def test_an_import_of_all_names_counts_only_where_one_of_them_may_be_used(tmp_path):
    steps = "from helping import *\n" + STEPS.format(body="return len(x)")
    before = project_of(tmp_path, steps=steps, helping="def scale(x): return x\n")
    assert project_of(tmp_path, steps=steps, helping="def scale(x): return 2 * x\n") == before


def test_another_library_under_the_same_name_changes_the_hash(tmp_path):
    before = project_of(tmp_path, steps="from math import ceil as near\n" + STEPS.format(body="return near(x)"))
    assert (
        project_of(tmp_path, steps="from math import floor as near\n" + STEPS.format(body="return near(x)")) != before
    )


def test_relative_imports_within_a_package_are_followed_and_bundled(tmp_path):
    files = {
        "loop": "from flow import steps\n",
        "flow__steps": "from .rest import scale\nfrom . import more\n"
        + STEPS.format(body="return scale(x), more.MORE"),
    }
    (tmp_path / "flow").mkdir()
    (tmp_path / "flow" / "__init__.py").touch()
    project_of(
        tmp_path,
        steps=STEPS.format(body="pass"),
        flow__rest="def scale(x): return x\n",
        flow__more="MORE = 1\n",
        **files,
    )
    names = [path.relative_to(tmp_path).as_posix() for path in project_files(tmp_path / "loop.py")]
    assert names == ["flow/__init__.py", "flow/more.py", "flow/rest.py", "flow/steps.py", "loop.py"]


def test_a_function_that_no_file_defines_is_refused():
    namespace = {}
    exec("def train(x): return x", namespace)
    with pytest.raises(Exception, match="a function of a Python file"):
        closure_hash(namespace["train"])
