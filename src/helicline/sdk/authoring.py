"""Pipelines as code: steps are ordinary functions; a pipeline function is traced once to a static graph."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, Unpack, overload

import msgspec

from helicline.errors import HeliclineError, Invalid
from helicline.ids import checked_name
from helicline.records.pipeline import Candidate, CodeState, Environment, Kind, PipelineSpec, Source, StepSpec
from helicline.sdk import code
from helicline.sdk.steps import in_process, parameters
from helicline.sdk.steps.environment import environment_of
from helicline.sdk.steps.graph import HINT_VALUE, KINDS, Dataset, Future
from helicline.sdk.steps.in_process import LocalCandidate
from helicline.sdk.steps.options import RunOptions, run_options
from helicline.sdk.steps.place import definition_of, place_of, placed

P = ParamSpec("P")
R = TypeVar("R")
_CODE_HASHES: ContextVar[dict[Callable[..., Any], str] | None] = ContextVar("helicline_code_hashes", default=None)
_TRACE: ContextVar[list[StepSpec] | None] = ContextVar("helicline_trace", default=None)


class Step(typing.Generic[P, R]):
    """A function that can run as a step; called outside of a pipeline it is the ordinary function.

    Then it takes a frame or the path of a file too where it declares a table, an estimator where it declares a model.
    """

    command = ""

    def __init__(self, function: Callable[P, R], options: RunOptions) -> None:
        self.function, self.options = function, run_options(f"step {function.__name__}", options)
        self.env = options.get("env", "")
        self.__name__, self.__doc__, self.__module__ = function.__name__, function.__doc__, function.__module__
        self.hints = typing.get_type_hints(function)
        self.outputs = _output_kinds(function.__name__, self.hints.get("return"))
        self.input_kinds, self.param_names = _split_arguments(function, self.hints)

    def __repr__(self) -> str:
        return f"<step {self.__module__}.{self.function.__qualname__}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if _TRACE.get() is None:
            return typing.cast("R", self._call(*args, **kwargs))
        return typing.cast("R", self._trace(*args, **kwargs))

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function in this process."""
        in_process.check_secrets(self.__name__, self.options["secrets"])
        bound = inspect.signature(self.function).bind(*args, **kwargs)
        for name, kind in self.input_kinds.items():
            if name in bound.arguments:
                field = f"step {self.__name__}, argument {name}"
                bound.arguments[name] = in_process.argument(field, bound.arguments[name], kind)
        returned = self.function(*bound.args, **bound.kwargs)
        return in_process.results(self.__name__, returned, self.outputs) if in_process.is_running() else returned

    def _trace(self, *args: Any, **kwargs: Any) -> Any:
        graph = _TRACE.get()
        assert graph is not None
        bound = _bound(f"step {self.__name__}", self.function, args, **kwargs)
        used_names = {spec.name for spec in graph}
        name = next(n for n in _unique_names(self.__name__) if n not in used_names)
        spec = StepSpec(
            name=name,
            function=f"{self.__module__}:{self.function.__qualname__}",
            code_hash=self._code_hash(),
            command=self.command,
            inputs={
                key: _source(name, key, value=bound.arguments[key], kind=kind) for key, kind in self.input_kinds.items()
            },
            input_kinds=self.input_kinds,
            params={
                key: _json_value(f"step {name}, parameter {key}", bound.arguments[key]) for key in self.param_names
            },
            param_types={key: parameters.declared(self.hints.get(key)) for key in self.param_names},
            outputs=self.outputs,
            env=environment_of(f"step {name}", self.env, self.__module__) if self.env else None,
            **self.options,
        )
        graph.append(spec)
        futures = [Future(Source(step=name, output=position), kind) for position, kind in enumerate(self.outputs)]
        return futures[0] if len(futures) == 1 else tuple(futures) if futures else None

    def _code_hash(self) -> str:
        """Return the hash of the step's code, made once for all traces of one spec."""
        hashes = _CODE_HASHES.get()
        if hashes is None:
            return code.closure_hash(self.function)
        if self.function not in hashes:
            hashes[self.function] = code.closure_hash(self.function)
        return hashes[self.function]


def _bound(field: str, function: Callable[..., Any], args: tuple[Any, ...], **kwargs: Any) -> inspect.BoundArguments:
    """Return the arguments of a call with the defaults. Raises Invalid where the function does not take them."""
    signature = inspect.signature(function)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        bare = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
        call = signature.replace(parameters=bare, return_annotation=signature.empty)
        raise Invalid(field, str(error), f"{function.__name__}{call}") from None
    bound.apply_defaults()
    return bound


def _unique_names(stem: str) -> typing.Iterator[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}_{number}"
        number += 1


def _output_kinds(step: str, annotation: Any) -> tuple[Kind, ...]:
    if annotation is None or annotation is type(None):
        return ()
    parts = typing.get_args(annotation) if typing.get_origin(annotation) is tuple else (annotation,)
    unknown = [part for part in parts if part not in KINDS]
    if unknown:
        raise Invalid(
            f"step {step} returns", str(unknown[0]), "hl.Table, hl.Model, hl.Metrics, hl.Artifact or a tuple of them"
        )
    return tuple(KINDS[part] for part in parts)


def _split_arguments(function: Callable[..., Any], hints: dict[str, Any]) -> tuple[dict[str, Kind], list[str]]:
    inputs: dict[str, Kind] = {}
    params: list[str] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            params.append(name)
        elif hints.get(name) in KINDS:
            inputs[name] = KINDS[hints[name]]
        else:
            annotation = hints.get(name, "no annotation")
            allowed = "hl.Table, hl.Model, hl.Metrics or hl.Artifact (parameters go after a `*`)"
            raise Invalid(f"step {function.__name__}, argument {name}", str(annotation), allowed)
    return inputs, params


def _source(step: str, argument: str, *, value: Any, kind: Kind) -> Source:
    if isinstance(value, Dataset):
        return Source(dataset=value.spec)
    if isinstance(value, Future):
        if value.kind != kind:
            raise Invalid(f"step {step}, argument {argument}", value.kind, kind)
        return value.source
    raise Invalid(f"step {step}, argument {argument}", type(value).__name__, "an output of a step or hl.dataset(...)")


def _json_value(field: str, value: Any) -> Any:
    try:
        return msgspec.json.decode(msgspec.json.encode(value))
    except (TypeError, msgspec.MsgspecError):
        raise Invalid(field, type(value).__name__, "a value that JSON can hold") from None


@overload
def step(function: Callable[P, R]) -> Step[P, R]: ...
@overload
def step(**options: Unpack[RunOptions]) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(function: Callable[P, R] | None = None, **options: Unpack[RunOptions]) -> Any:
    """Make a function a step, which runs in a process of its own; its result is stored by content.

    Raises:
        Invalid: an annotation is missing, or is not one of hl.Table, hl.Model, hl.Metrics, hl.Artifact; there is no
            such option.

    Example:
        >>> import helicline as hl
        >>> @hl.step(retries=2, timeout="5m")
        ... def count(rows: hl.Table, *, factor: int = 1) -> hl.Metrics:
        ...     return hl.Metrics(rows=rows.row_count * factor)
        >>> count(hl.Table.of({"x": [1, 2]}), factor=3)
        {'rows': 6}
    """
    if function is not None:
        return Step(function, options)
    return lambda wrapped: Step(wrapped, options)


class Pipeline:
    """A function whose body, traced once, is the graph."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = checked_name("pipeline", function.__name__)
        self.__doc__ = function.__doc__

    def __repr__(self) -> str:
        return f"<pipeline {self.name}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Within another pipeline: add the steps of this one. Else: `run_here`."""
        if _TRACE.get() is None:
            return self.run_here(*args, **kwargs)
        bound = _bound(f"pipeline {self.name}", self.function, args, **kwargs)
        return self.function(*bound.args, **bound.kwargs)

    def run_here(self, *args: Any, **kwargs: Any) -> Any:
        """Run every step in this process and return what the body returns: for a debugger, a test or a notebook.

        Nothing is recorded or cached. Steps get and return the types that they have in a worker. Datasets that no
        argument replaces are read from the server.

        Raises:
            Invalid: an argument or a result is not what is declared. Unavailable: a dataset is needed, and no server
                answers. What a step itself raises comes as it is.

        Example:
            >>> import helicline as hl
            >>> @hl.step
            ... def count(rows: hl.Table) -> hl.Metrics:
            ...     return {"rows": rows.row_count}
            >>> @hl.pipeline
            ... def sizes(rows: hl.Table = hl.dataset("sales@main")):
            ...     return count(rows)
            >>> sizes.run_here({"x": [1, 2, 3]})
            {'rows': 3.0}
        """
        bound = _bound(f"pipeline {self.name}", self.function, args, **kwargs)
        for name, value in bound.arguments.items():
            if isinstance(value, Dataset):
                bound.arguments[name] = in_process.table_of(f"pipeline {self.name}, argument {name}", value)
        with in_process.running():
            return self.function(*bound.args, **bound.kwargs)

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """The datasets that its arguments are by default."""
        defaults = [parameter.default for parameter in inspect.signature(self.function).parameters.values()]
        return tuple(value for value in defaults if isinstance(value, Dataset))

    def trace(self, **overrides: Any) -> tuple[tuple[StepSpec, ...], Candidate | None, dict[str, Any]]:
        """Return the steps in order, the candidate, and the parameters of the traced call.

        Raises:
            Invalid: the body does not run, with the place in the user's file where it fails.
        """
        try:
            return self._traced(**overrides)
        except HeliclineError as error:
            place = place_of(error, Path.cwd()) or definition_of(self.function, Path.cwd())
            raise placed(error, place) from None
        except Exception as error:
            wrong = Invalid(f"pipeline {self.name}", f"{type(error).__name__}: {error}", "a body that runs", HINT_VALUE)
            raise placed(wrong, place_of(error, Path.cwd())) from error

    def _traced(self, **overrides: Any) -> tuple[tuple[StepSpec, ...], Candidate | None, dict[str, Any]]:
        parameters = inspect.signature(self.function).parameters
        arguments = {name: overrides.get(name, parameter.default) for name, parameter in parameters.items()}
        missing = [name for name, value in arguments.items() if value is inspect.Parameter.empty]
        if missing:
            raise Invalid(
                f"pipeline {self.name}", missing[0], "a default for every argument, like hl.dataset('name@main')"
            )
        token = _TRACE.set([])
        try:
            result = self.function(**arguments)
            steps = tuple(_TRACE.get() or ())
        finally:
            _TRACE.reset(token)
        if not steps:
            raise Invalid(f"pipeline {self.name}", "no steps", "a body that calls at least one @hl.step")
        params = {name: value for name, value in arguments.items() if not isinstance(value, Dataset)}
        return steps, result if isinstance(result, Candidate) else None, params

    def spec(self, *, state: CodeState, environment: Environment, **overrides: Any) -> PipelineSpec:
        """Return the graph as a record, bound to its code and environment."""
        token = _CODE_HASHES.set({})
        try:
            steps, candidate_record, params = self.trace(**overrides)
            plain = {
                name: _json_value(f"pipeline {self.name}, parameter {name}", value) for name, value in params.items()
            }
            targets = parameters.targets(steps, plain, lambda changed: self.trace(**overrides | changed)[0])
        finally:
            _CODE_HASHES.reset(token)
        return PipelineSpec(
            name=self.name, steps=steps, candidate=candidate_record, code=state, environment=environment, params=plain,
            param_targets=targets,
        )  # fmt: skip


def pipeline(function: Callable[..., Any]) -> Pipeline:
    """Make a function whose body calls steps a pipeline.

    Example:
        >>> import helicline as hl
        >>> @hl.step
        ... def clean(raw: hl.Table) -> hl.Table: ...
        >>> @hl.pipeline
        ... def tidy(raw: hl.Table = hl.dataset("sales@main")):
        ...     clean(raw)
        >>> tidy.name
        'tidy'
    """
    return Pipeline(function)


def candidate(
    model: Any, *, metrics: Any = None, holdout: Any = None, reference: Any = None, label: str = "label"
) -> Any:
    """Return the candidate of a pipeline: the outputs that gates and rollout use.

    Args:
        model: output of the step that trains it.
        metrics: output of the step that evaluates it.
        holdout: table that is not used in training; gates compare candidate and champion on it.
        reference: table that drift is measured against (default: the hold-out).
        label: column of the hold-out with the true values.

    Raises:
        Invalid: one of them is not an output of a step.
    """
    if in_process.is_running():
        rows = reference if reference is not None else holdout
        return LocalCandidate(model=model, metrics=metrics, holdout=holdout, reference=rows, label=label)
    parts = {"model": (model, "Model"), "metrics": (metrics, "Metrics"), "holdout": (holdout, "Table")}
    parts["reference"] = (reference if reference is not None else holdout, "Table")
    sources = {
        name: _source("candidate", name, value=value, kind=typing.cast("Kind", kind)) if value is not None else None
        for name, (value, kind) in parts.items()
    }
    return Candidate(label=label, **typing.cast("dict[str, Any]", sources))
