"""Helicline: the whole MLOps loop in one program.

Example:
    >>> import helicline as hl
    >>> @hl.step
    ... def double(value: hl.Artifact) -> hl.Artifact:
    ...     return value * 2
    >>> double(21)
    42
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_MODULES = {
    "Artifact": "helicline.sdk.handles",
    "Client": "helicline.sdk.client",
    "Loop": "helicline.sdk.loop",
    "Metrics": "helicline.sdk.handles",
    "Model": "helicline.sdk.handles",
    "Table": "helicline.sdk.handles",
    "ab": "helicline.sdk.parts.outcomes",
    "approval": "helicline.sdk.loop",
    "apprise": "helicline.sdk.parts.channels",
    "at_least": "helicline.sdk.gates.checks",
    "at_most": "helicline.sdk.gates.checks",
    "candidate": "helicline.sdk.authoring",
    "canary": "helicline.sdk.loop",
    "command": "helicline.sdk.steps.command_step",
    "compatible": "helicline.sdk.gates.checks",
    "contract": "helicline.sdk.parts.contracts",
    "cost_matrix": "helicline.sdk.gates.metrics",
    "data": "helicline.sdk.data",
    "dataset": "helicline.sdk.steps.graph",
    "drift": "helicline.sdk.loop",
    "email": "helicline.sdk.parts.channels",
    "every": "helicline.sdk.loop",
    "feedback": "helicline.sdk.feedback",
    "instant": "helicline.sdk.loop",
    "latency": "helicline.sdk.gates.checks",
    "max_error_rate": "helicline.sdk.loop",
    "max_latency": "helicline.sdk.loop",
    "metric": "helicline.sdk.gates.metrics",
    "mlflow_project": "helicline.sdk.steps.project_step",
    "must_not_drop": "helicline.sdk.loop",
    "not_worse": "helicline.sdk.gates.checks",
    "on_alert": "helicline.sdk.loop",
    "on_new_data": "helicline.sdk.loop",
    "outcome": "helicline.sdk.parts.outcomes",
    "performance": "helicline.sdk.loop",
    "pipeline": "helicline.sdk.authoring",
    "quality": "helicline.sdk.loop",
    "runs": "helicline.sdk.runs",
    "service": "helicline.sdk.loop",
    "slack": "helicline.sdk.parts.channels",
    "step": "helicline.sdk.authoring",
    "watch": "helicline.sdk.parts.outcomes",
    "webhook": "helicline.sdk.parts.channels",
}

__all__ = [
    "Artifact",
    "Client",
    "Loop",
    "Metrics",
    "Model",
    "Table",
    "ab",
    "apprise",
    "approval",
    "at_least",
    "at_most",
    "canary",
    "candidate",
    "command",
    "compatible",
    "contract",
    "cost_matrix",
    "data",
    "dataset",
    "drift",
    "email",
    "every",
    "feedback",
    "instant",
    "latency",
    "max_error_rate",
    "max_latency",
    "metric",
    "mlflow_project",
    "must_not_drop",
    "not_worse",
    "on_alert",
    "on_new_data",
    "outcome",
    "performance",
    "pipeline",
    "quality",
    "runs",
    "service",
    "slack",
    "step",
    "watch",
    "webhook",
]

if TYPE_CHECKING:
    from helicline.sdk import data, feedback, runs
    from helicline.sdk.authoring import candidate, pipeline, step
    from helicline.sdk.client import Client
    from helicline.sdk.gates.checks import at_least, at_most, compatible, latency, not_worse
    from helicline.sdk.gates.metrics import cost_matrix, metric
    from helicline.sdk.handles import Artifact, Metrics, Model, Table
    from helicline.sdk.loop import (
        Loop,
        approval,
        canary,
        drift,
        every,
        instant,
        max_error_rate,
        max_latency,
        must_not_drop,
        on_alert,
        on_new_data,
        performance,
        quality,
        service,
    )
    from helicline.sdk.parts.channels import apprise, email, slack, webhook
    from helicline.sdk.parts.contracts import contract
    from helicline.sdk.parts.outcomes import ab, outcome, watch
    from helicline.sdk.steps.command_step import command
    from helicline.sdk.steps.graph import dataset
    from helicline.sdk.steps.project_step import mlflow_project


if not TYPE_CHECKING:  # a type checker that saw this function would accept every misspelt name as Any

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module 'helicline' has no attribute {name!r}")
        import importlib

        module = importlib.import_module(_MODULES[name])
        return (
            module if module.__name__.endswith(f".{name}") else getattr(module, name)
        )  # a public name can be a module


class _Package(ModuleType):
    """The type of this package: an import of `helicline.pipeline` must not replace the public name `hl.pipeline`."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _MODULES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
