"""The Python reference: what `import helicline as hl` offers, from its signatures and docstrings (read by griffe)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import griffe

import helicline

SOURCES = Path(helicline.__file__).parents[1]
# what a reader looks for together, in the order of a loop file; what is in no group comes last
GROUPS = {
    "Pipelines": ("step", "pipeline", "dataset", "candidate", "Table", "Model", "Metrics", "Artifact"),
    "Loops": ("Loop", "approval"),
    "Gates": ("at_least", "at_most", "not_worse", "compatible", "latency", "metric", "cost_matrix"),
    "Rollouts": ("canary", "instant", "max_error_rate", "max_latency", "must_not_drop"),
    "Monitors": ("drift", "performance", "quality"),
    "Triggers": ("every", "on_new_data", "on_alert"),
}
STARS = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}
LAST_GROUP = "From Python"
HEAD = """# Python

What `import helicline as hl` offers. A loop file is made of the first six groups; the last one is for programs and
notebooks.
"""


def page() -> str:
    """Return docs/python.md."""
    extensions = griffe.load_extensions("unpack_typeddict")  # the options of a step
    package = griffe.load("helicline", search_paths=[SOURCES], docstring_parser="google", extensions=extensions)
    grouped = {name for names in GROUPS.values() for name in names}
    groups = {**GROUPS, LAST_GROUP: tuple(name for name in helicline.__all__ if name not in grouped)}
    parts = [HEAD]
    for title, names in groups.items():
        parts.append(f"## {title}\n")
        for name in names:
            parts += _entries(f"hl.{name}", _object(package, name))
    return "\n".join(parts)


def _object(package: griffe.Object | griffe.Alias, name: str) -> griffe.Object | griffe.Alias:
    """Return what a name of the public face stands for; the package loads it from that module when it is asked for."""
    module = helicline._MODULES[name].partition(".")[2]  # the package's own table: a lazy name has no import to follow
    value = package[module]
    return value if module.rpartition(".")[2] == name else value[name]


def _entries(name: str, value: griffe.Object | griffe.Alias) -> Iterator[str]:
    yield f"### {name}\n"
    if isinstance(value, griffe.Function) or (isinstance(value, griffe.Class) and value.parameters):
        yield _code(_call(name, value))
    yield from _described(value)
    for member in _members(value):
        inner = f"{name if isinstance(value, griffe.Module) else value.name}.{member.name}"
        yield f"#### {inner}\n"
        if isinstance(member, griffe.Function):
            yield _code(_call(inner, member))
        yield from _described(member)


def _members(value: griffe.Object | griffe.Alias) -> list[griffe.Object]:
    """Return the documented public members of a class, and the documented public functions of a module."""
    if isinstance(value, griffe.Function):
        return []
    kinds = (griffe.Function,) if isinstance(value, griffe.Module) else (griffe.Function, griffe.Attribute)
    members = (member for member in value.members.values() if not member.is_alias)
    return [member for member in members if isinstance(member, kinds) and member.is_public and member.has_docstring]


def _call(name: str, value: griffe.Function | griffe.Class) -> str:
    words, keyword_only = [], False
    for parameter in value.parameters:
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is griffe.ParameterKind.keyword_only and not keyword_only:
            keyword_only = True
            words.append("*")
        words.append(_parameter(parameter))
        keyword_only |= parameter.kind is griffe.ParameterKind.var_positional
    returned = f" -> {value.returns}" if isinstance(value, griffe.Function) and value.returns else ""
    line = f"{name}({', '.join(words)}){returned}"
    if len(line) <= 100:
        return line
    return f"{name}(\n" + "".join(f"    {word},\n" for word in words) + f"){returned}"


def _parameter(parameter: griffe.Parameter) -> str:
    stars = STARS.get(parameter.kind or griffe.ParameterKind.positional_or_keyword, "")
    annotation = f": {parameter.annotation}" if parameter.annotation is not None else ""
    default = f" = {parameter.default}" if parameter.default is not None and not stars else ""
    return f"{stars}{parameter.name}{annotation}{default}"


def _code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def _described(value: griffe.Object | griffe.Alias) -> Iterator[str]:
    for section in value.docstring.parsed if value.docstring else ():
        if section.kind is griffe.DocstringSectionKind.text:
            yield f"{section.value}\n"
        elif section.kind is griffe.DocstringSectionKind.parameters:
            yield "\n".join(f"- `{item.name}`: {_line(item.description)}" for item in section.value) + "\n"
        elif section.kind is griffe.DocstringSectionKind.raises:
            yield "\n".join(f"- raises `{item.annotation}`: {_line(item.description)}" for item in section.value) + "\n"
        elif section.kind is griffe.DocstringSectionKind.returns:
            yield "\n".join(f"- returns {_line(item.description)}" for item in section.value) + "\n"
        elif section.kind is griffe.DocstringSectionKind.admonition:
            yield _code(section.value.description)
        elif section.kind is griffe.DocstringSectionKind.examples:
            yield "".join(_code(text) for _, text in section.value)


def _line(text: str) -> str:
    return " ".join(text.split())
