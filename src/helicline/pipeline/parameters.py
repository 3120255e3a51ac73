"""Parameters of a pipeline run that differ from the loop file: checked by their types, and put into the graph."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import msgspec

from helicline.errors import Invalid
from helicline.records.pipeline import Parameter, PipelineSpec

NAMES = {"int": "an integer", "float": "a number", "bool": "true or false", "str": "text", "list": "a list",
         "dict": "an object", "any": "a JSON value"}  # fmt: skip
TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,), "float": (int, float), "bool": (bool,), "str": (str,), "list": (list,), "dict": (dict,),
    "any": (object,),
}  # fmt: skip


def of_spec(spec: PipelineSpec) -> dict[str, Any]:
    """Return every parameter that can be set with its value: `step.name`, and `name` for one of the pipeline."""
    own = {name: spec.params[name] for name in spec.param_targets}
    return own | {f"{step.name}.{name}": value for step in spec.steps for name, value in step.params.items()}


def overridden(spec: PipelineSpec, changes: Mapping[str, Any]) -> tuple[PipelineSpec, dict[str, Any]]:
    """Return the pipeline with other values of parameters, and these values as their types.

    A value may be text, as a command line has it. What is set of a step holds against what is set of the pipeline.

    Raises:
        Invalid: there is no such parameter, or the value is not of its type.
    """
    present = of_spec(spec)
    typed: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in present:
            raise Invalid(
                "parameter",
                name,
                f"one of {', '.join(sorted(present)) or 'none: it has no parameters'}",
                _hint(spec, name),
            )
        typed[name] = _typed(f"parameter {name}", value, _parameter(spec, name))
    by_step = {
        target: typed[name] for name in spec.param_targets if name in typed for target in spec.param_targets[name]
    }
    by_step |= {name: value for name, value in typed.items() if "." in name}
    steps = tuple(
        msgspec.structs.replace(
            step, params={name: by_step.get(f"{step.name}.{name}", value) for name, value in step.params.items()}
        )
        for step in spec.steps
    )
    params = spec.params | {name: value for name, value in typed.items() if name in spec.param_targets}
    return msgspec.structs.replace(spec, steps=steps, params=params), typed


def _hint(spec: PipelineSpec, name: str) -> str:
    if name in spec.params:
        return f"The body of the pipeline works with {name}: set the parameters of its steps, or change the loop file."
    return ""


def _parameter(spec: PipelineSpec, name: str) -> Parameter:
    """Return the declaration of a parameter; one of the pipeline has that of the first step which takes it."""
    step_name, _, own_name = (spec.param_targets[name][0] if name in spec.param_targets else name).partition(".")
    step = next(step for step in spec.steps if step.name == step_name)
    return step.param_types.get(own_name, Parameter())


def _typed(field: str, value: Any, parameter: Parameter) -> Any:
    allowed = _allowed(parameter)
    if isinstance(value, str) and parameter.type != "str":
        value = _of_text(value)
    elif isinstance(value, str) and parameter.optional and value == "null":
        value = None
    if value is None and parameter.optional:
        return None
    fits = isinstance(value, TYPES[parameter.type]) and (
        parameter.type in ("bool", "any") or not isinstance(value, bool)
    )
    if not fits or (parameter.choices and value not in parameter.choices):
        raise Invalid(field, value, allowed)
    return float(value) if parameter.type == "float" else value


def _of_text(text: str) -> Any:
    """Return the value of a text of a command line: JSON where it is that."""
    with contextlib.suppress(msgspec.DecodeError):
        return msgspec.json.decode({"True": "true", "False": "false", "None": "null"}.get(text, text))
    return text


def _allowed(parameter: Parameter) -> str:
    if parameter.choices:
        return "one of " + ", ".join(str(choice) for choice in parameter.choices)
    return NAMES[parameter.type] + (" or null" if parameter.optional else "")
