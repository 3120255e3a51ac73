"""The start of a worker in any environment: makes the product's code importable and serves one model.

usage: launch.py DESCRIPTOR PARENT_PID BOUNDARY [MODULE ...]
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import signal
import sys
import warnings
from pathlib import Path
from types import ModuleType

_PACKAGE = Path(__file__).resolve().parents[2]


def reach_package() -> None:
    """Make `helicline` importable from beside this file, whatever the environment has installed."""
    name = _PACKAGE.name
    spec = importlib.util.spec_from_file_location(
        name, _PACKAGE / "__init__.py", submodule_search_locations=[str(_PACKAGE)]
    )
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except ImportError:
        bare = ModuleType(name)
        bare.__path__ = [str(_PACKAGE)]
        sys.modules[name] = bare


def enter_boundary(text: str) -> None:
    """Give up what a model does not need, as far as the system allows; `text` is a boundary in JSON, or empty."""
    if not text:
        return
    from helicline import isolation

    readable, writable, hidden = json.loads(text)
    readable += isolation.interpreter_paths(hidden=hidden)
    isolation.enter(isolation.Boundary(tuple(readable), tuple(writable), tuple(hidden)))


def start(arguments: list[str]) -> int:
    """Serve on the inherited descriptor; return the exit code."""
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
    reach_package()
    enter_boundary(arguments[2])
    from helicline import parent_process

    parent_process.end_with(int(arguments[1]))  # a change of user would end the request
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    from helicline.gateway.worker.serve import main

    for name in arguments[3:]:
        with contextlib.suppress(Exception):  # a model that needs it fails by itself, with a better message
            importlib.import_module(name)

    return main(int(arguments[0]))


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:]))
