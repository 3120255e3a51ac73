"""Where in a loop file a problem lies: the line of the call or of the step that it is about."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

from helicline.records.loop import LoopSpec

# the call of the public face that makes what a field names
CALLS = {
    "at_least": "at_least",
    "at_most": "at_most",
    "not_worse": "not_worse",
    "signature": "compatible",
    "latency": "latency",
    "approval": "approval",
    "slack": "slack",
    "email": "email",
    "webhook": "webhook",
    "apprise": "apprise",
    "rollout": "canary",
    "monitor": "drift",
    "performance": "performance",
    "cron": "every",
    "timezone": "every",
    "new_data": "on_new_data",
    "on_alert": "on_alert",
    "harvest": "on_alert",
    "pipeline": "candidate",
}


def line_of(path: Path, field: str, spec: LoopSpec) -> int:
    """Return the line of the file that a problem's field is about, 0 where none can be told."""
    kind, _, rest = field.partition(" ")
    if kind == "step":
        return _line_of_step(rest.partition(" ")[0], spec)
    if kind == "metric":
        return _line_of_metric(rest.partition(" ")[0], spec)
    word, _, metric = (rest or kind).partition(":")
    name = CALLS.get(word) or CALLS.get(kind, "")
    calls = [call for call in _calls(path) if _called(call) == name]
    exact = [call for call in calls if metric and any(_constant(argument) == metric for argument in call.args)]
    lines = [call.lineno for call in exact or calls] or [
        call.lineno for call in _calls(path) if _called(call) == "Loop"
    ]
    return lines[0] if lines else 0


def _line_of_step(name: str, spec: LoopSpec) -> int:
    step = next((step for step in spec.pipeline.steps if step.name == name), None)
    return _line_of_function(step.function) if step else 0


def _line_of_metric(name: str, spec: LoopSpec) -> int:
    definitions = [gate.definition for gate in spec.gates if gate.definition is not None]
    function = next((definition.function for definition in definitions if definition.base == name), "")
    return _line_of_function(function) if function else 0


def _line_of_function(reference: str) -> int:
    module, _, qualified = reference.partition(":")
    value: Any = sys.modules.get(module)
    for part in qualified.split("."):
        value = getattr(value, part, None)
    function = getattr(value, "function", value)
    if hasattr(function, "line"):  # of a command
        return int(function.line)
    return int(function.__code__.co_firstlineno) if hasattr(function, "__code__") else 0


def relative_code_paths(path: Path) -> list[dict[str, Any]]:
    """Return a problem for each relative path in a `code_paths=[...]`: a step runs in a folder of its own."""
    return [
        {
            "loop": "",
            "line": element.lineno,
            "field": "code_paths",
            "got": _constant(element),
            "allowed": "an absolute path",
            "severity": "error",
            "hint": "A step runs in a folder of its own: use pathlib.Path(__file__).parent / ... instead.",
        }
        for call in _calls(path)
        for keyword in call.keywords
        if keyword.arg == "code_paths" and isinstance(keyword.value, ast.List | ast.Tuple)
        for element in keyword.value.elts
        if _constant(element) and not Path(_constant(element)).is_absolute()
    ]


def _calls(path: Path) -> list[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return sorted((node for node in ast.walk(tree) if isinstance(node, ast.Call)), key=lambda call: call.lineno)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _constant(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
