"""What `import helicline` gives and costs."""

import doctest
import importlib
import json
import pkgutil
import subprocess
import sys

import pytest

import helicline
import helicline.sdk

HEAVY = {"numpy", "pandas", "sqlalchemy", "litestar", "ray", "httpx", "mlflow", "duckdb", "scipy", "msgspec"}
SHOW = "import json, sys; print(json.dumps(sorted(sys.modules)))"


def modules_after(code):
    done = subprocess.run([sys.executable, "-c", f"{code}\n{SHOW}"], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_exported_names_are_sorted_few_and_all_there():
    assert helicline.__all__ == sorted(helicline.__all__)
    assert len(helicline.__all__) <= 64
    assert all(getattr(helicline, name) is not None for name in helicline.__all__)


def test_the_lazy_names_are_those_that_type_checkers_see():
    assert sorted(helicline._MODULES) == helicline.__all__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'stp'"):
        _ = helicline.stp


def test_importing_a_room_hides_no_public_name():
    code = "import helicline as hl, helicline.server.app, helicline.engine.step, helicline.cli.app\n"
    code += "from types import ModuleType\n"
    code += "modules = [n for n in hl.__all__ if isinstance(getattr(hl, n), ModuleType)]\n"
    code += "assert all(getattr(hl, n).__name__ == hl._MODULES[n] for n in modules), modules"
    assert "helicline.pipeline.runs" in modules_after(code)


def test_importing_helicline_loads_little():
    loaded = modules_after("import helicline") - modules_after("pass")
    assert loaded & HEAVY == set()
    assert len(loaded) <= 120


def test_writing_a_loop_loads_no_server():
    loaded = modules_after("import helicline as hl; hl.Loop, hl.step, hl.canary")
    assert loaded & {"sqlalchemy", "litestar", "uvicorn", "helicline.store", "pandas", "mlflow"} == set()


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_the_light_commands_load_no_client_and_no_server(flag):
    code = (
        f"import sys; sys.argv = ['hl', '{flag}']\nfrom helicline.cli.app import main\n"
        "try: main()\nexcept SystemExit: pass"
    )
    assert modules_after(code) & {"httpx", "sqlalchemy", "litestar", "numpy", "duckdb"} == set()


SDK = [f"helicline.sdk.{module.name}" for module in pkgutil.iter_modules(helicline.sdk.__path__)]


@pytest.mark.parametrize("name", ["helicline", *SDK])
def test_the_examples_in_the_docstrings_run(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_every_exported_function_and_class_says_what_it_is():
    silent = [name for name in helicline.__all__ if not (getattr(helicline, name).__doc__ or "").strip()]
    assert silent == []
