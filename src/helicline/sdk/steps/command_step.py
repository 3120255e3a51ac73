"""Steps that are commands: a program gets the paths of its inputs and parameters, and leaves files as its outputs."""

from __future__ import annotations

import inspect
import os
import shlex
import string
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import GenericAlias
from typing import Any, Unpack
from uuid import uuid4

import msgspec

from helicline.errors import Invalid
from helicline.sdk import code
from helicline.sdk.authoring import Step
from helicline.sdk.handles import Artifact, Metrics, Model, Table, scratch_folder
from helicline.sdk.steps.environment import folder_of
from helicline.sdk.steps.graph import KINDS
from helicline.sdk.steps.options import RunOptions

HINT_TOP = "A step runs in a process of its own, which finds it by its name."
FILES = {Table: "{}.parquet", Metrics: "{}.json", Artifact: "{}", Model: "{}"}


class Command(msgspec.Struct, frozen=True):
    """A command line with places for inputs, parameters and outputs, and where it was written."""

    template: str
    inputs: Mapping[str, type]
    outputs: Mapping[str, type]
    params: Mapping[str, Any]
    module: str
    line: int

    @property
    def folder(self) -> Path:
        """The folder of the file that declares it: there it runs."""
        return folder_of(self.module)

    def function(self) -> Callable[..., Any]:
        """Return a function with the arguments that the command declares, which runs it."""
        signature = self._signature()

        def run(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            return self.run(bound.arguments)

        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
        run.__annotations__["return"] = signature.return_annotation
        run.__module__, run.__name__, run.__qualname__ = self.module, "command", "command"
        run.line = self.line  # type: ignore[attr-defined]
        return run

    def _signature(self) -> inspect.Signature:
        kinds = tuple(self.outputs.values())
        parameters = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=kind)
            for name, kind in self.inputs.items()
        ]
        parameters += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value, annotation=type(value))
            for name, value in self.params.items()
        ]
        returned = kinds[0] if len(kinds) == 1 else GenericAlias(tuple, kinds) if kinds else None
        return inspect.Signature(parameters, return_annotation=returned)

    def run(self, arguments: Mapping[str, Any]) -> Any:
        """Run the command and return its outputs. Raises Invalid where it fails or leaves no output."""
        results = Path(scratch_folder()) / uuid4().hex
        results.mkdir(parents=True)
        paths = {name: results / FILES[kind].format(name) for name, kind in self.outputs.items()}
        values = {name: _text(value) for name, value in {**arguments, **paths}.items()}
        text = self.template.format_map(values)
        print(f"$ {text}", flush=True)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        done = subprocess.run(["/bin/sh", "-c", text], cwd=self.folder, env={**os.environ, "PATH": path}, check=False)
        if done.returncode != 0:
            raise Invalid("command", f"exit status {done.returncode}", "0", f"It was: {self.template}")
        outputs = tuple(self.output(name, kind, paths[name]) for name, kind in self.outputs.items())
        return outputs[0] if len(outputs) == 1 else outputs or None

    def output(self, name: str, kind: type, path: Path) -> Any:
        """Return an output that the command wrote to a path. Raises Invalid where it did not."""
        if not path.exists():
            raise Invalid(f"command, output {name}", "nothing", f"a file that the command writes to {{{name}}}")
        if kind is Table:
            return _table(name, path)
        if kind is Metrics:
            return Metrics(msgspec.json.decode(path.read_bytes(), type=dict[str, float]))
        return Artifact(path) if kind is Artifact else _model(path)


class CommandStep(Step[..., Any]):
    """A step that is a command; it has the name that its file gives it."""

    def __init__(self, declaration: Command, options: RunOptions) -> None:
        super().__init__(declaration.function(), options)
        self.declaration, self.command = declaration, declaration.template

    def _trace(self, *args: Any, **kwargs: Any) -> Any:
        self.__name__ = self.function.__name__ = self.function.__qualname__ = name_of(self, self.__module__)
        return super()._trace(*args, **kwargs)

    def _code_hash(self) -> str:
        return code.command_hash(self.command, self.declaration.folder)


def command(
    line: str,
    *,
    inputs: Mapping[str, type] | None = None,
    outputs: Mapping[str, type] | None = None,
    params: Mapping[str, Any] | None = None,
    **options: Unpack[RunOptions],
) -> Any:
    """Make a command line a step: a program in any language, which reads and writes files.

    It runs in the folder of the loop file. Files of that folder that it names are part of the step's code.

    Args:
        line: the command with a `{place}` for each input, output and parameter; `{{` stands for a brace.
        inputs: their types, like `{"data": hl.Table}`; the place holds the path of a file or of a model's folder.
        outputs: their types, in the order in which the step returns them; the place holds the path to write to.
        params: their values, which `--set` can replace.

    Raises:
        Invalid: a place is not declared, or a declaration has no place.

    Example:
        >>> import helicline as hl
        >>> count = hl.command("wc -l < {rows} > {count}", inputs={"rows": hl.Artifact}, outputs={"count": hl.Artifact})
        >>> count.outputs
        ('Artifact',)
    """
    frame = sys._getframe(1)
    declaration = Command(line, inputs or {}, outputs or {}, params or {}, frame.f_globals["__name__"], frame.f_lineno)
    return CommandStep(checked(declaration), options)


def checked(command: Command) -> Command:
    """Return the command. Raises Invalid where its places and its declarations differ."""
    declared = {*command.inputs, *command.outputs, *command.params}
    places = {field for _, field, _, _ in string.Formatter().parse(command.template) if field is not None}
    if len(declared) < len(command.inputs) + len(command.outputs) + len(command.params):
        raise Invalid("command", command.template, "inputs, outputs and params with names of their own")
    if places != declared:
        wrong = ", ".join(sorted(places ^ declared))
        raise Invalid(
            "command", wrong, "a {place} in the command line for each of inputs, outputs and params, and no other"
        )
    for name, kind in {**command.inputs, **command.outputs}.items():
        if kind not in KINDS:
            raise Invalid(f"command, {name}", str(kind), "hl.Table, hl.Model, hl.Metrics or hl.Artifact")
    return command


def name_of(step: Any, module: str) -> str:
    """Return the name that a module gives a step at its top level. Raises Invalid where it gives none."""
    names = [name for name, value in vars(sys.modules[module]).items() if value is step]
    if not names:
        raise Invalid(
            "command", "no name", "an assignment at the top level of its file: train = hl.command(...)", HINT_TOP
        )
    return names[0]


def _text(value: Any) -> str:
    """Return an argument as a word of a command line: the path of what is data, the value of what is a parameter."""
    if isinstance(value, Table):
        paths = value.paths if len(value.paths) == 1 else Table.of(value).paths
        return shlex.quote(str(paths[0]))
    if isinstance(value, Artifact | Model):
        return shlex.quote(str(value.path))
    if isinstance(value, Metrics):
        path = Path(scratch_folder()) / f"{uuid4().hex}.json"
        path.write_bytes(msgspec.json.encode(value))
        return shlex.quote(str(path))
    return shlex.quote(str(value) if isinstance(value, str | Path) else msgspec.json.encode(value).decode())


def _table(name: str, path: Path) -> Table:
    """Return the table of a Parquet file, or of the CSV file that was written in its place."""
    import duckdb

    with path.open("rb") as file:
        if file.read(4) == b"PAR1":
            return Table([path])
    try:
        return Table.of(duckdb.connect(":memory:").read_csv(str(path)))
    except duckdb.Error as error:
        raise Invalid(f"command, output {name}", str(error).splitlines()[0], "a Parquet or CSV file") from None


def _model(path: Path) -> Model:
    """Return the model of a folder that MLflow saved, or of the id of a logged model in a file."""
    if path.is_file():
        return Model(path, model_id=path.read_text().strip())
    run_id = os.environ.get("MLFLOW_RUN_ID", "")
    if not run_id:
        return Model(path)
    from mlflow import MlflowClient

    client = MlflowClient()
    experiment = client.get_run(run_id).info.experiment_id
    model = client.create_logged_model(experiment_id=experiment, name=path.name, source_run_id=run_id)
    client.log_model_artifacts(model.model_id, str(path))
    client.finalize_logged_model(model.model_id, "READY")
    return Model(path, model_id=model.model_id)
