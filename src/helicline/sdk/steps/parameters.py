"""Parameters of steps and pipelines: their types, and to which steps a parameter of the pipeline goes."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from helicline.errors import HeliclineError
from helicline.records.pipeline import Parameter, ParameterType, StepSpec

TYPES: dict[Any, ParameterType] = {int: "int", float: "float", bool: "bool", str: "str", list: "list", tuple: "list",
                                   dict: "dict"}  # fmt: skip
Trace = Callable[[dict[str, Any]], tuple[StepSpec, ...]]


def declared(annotation: Any) -> Parameter:
    """Return the declaration that an annotation makes; "any" where it is none of the types that JSON has."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return declared(parts[0])
    if origin is typing.Literal:
        kinds = {TYPES.get(type(choice), "any") for choice in parts}
        return Parameter(type=kinds.pop() if len(kinds) == 1 else "any", choices=parts)
    if origin in (typing.Union, types.UnionType):
        not_null = [part for part in parts if part is not type(None)]
        base = declared(not_null[0]) if len(not_null) == 1 else Parameter()
        return msgspec.structs.replace(base, optional=len(not_null) < len(parts))
    return Parameter(type=TYPES.get(origin or annotation, "any"))


def targets(steps: tuple[StepSpec, ...], params: dict[str, Any], trace: Trace) -> dict[str, tuple[str, ...]]:
    """Return the parameters of a pipeline that can be set without its body, and the `step.name`s which each goes to.

    The body is traced once more with another value of each: a parameter that changes more than to be passed on, in a
    branch or a sum for example, is not among them.
    """
    passed_on = {name: _targets_of(name, steps, params, trace=trace) for name in params}
    return {name: step_params for name, step_params in passed_on.items() if step_params}


def _targets_of(name: str, steps: tuple[StepSpec, ...], params: dict[str, Any], *, trace: Trace) -> tuple[str, ...]:
    other = _another(params[name])
    try:
        changed = trace({**params, name: other})
    except HeliclineError:
        return ()
    paths = tuple(
        f"{step.name}.{key}"
        for step, new in zip(steps, changed, strict=False)
        for key in step.params
        if step.params[key] == params[name] != new.params.get(key) == other
    )
    expected = tuple(
        msgspec.structs.replace(
            step, params={key: other if f"{step.name}.{key}" in paths else value for key, value in step.params.items()}
        )
        for step in steps
    )
    return paths if expected == changed else ()


def _another(value: Any) -> Any:
    """Return another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * 2 + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, dict):
        return {**value, "another": 1}
    return [*value, 1] if isinstance(value, list | tuple) else 1
