"""The reason of a failed task names the user's own line, however deep in a library it failed."""

import importlib.util

import pytest

from helicline.engine.secret_mask import SecretMask
from helicline.engine.task import reason_of
from helicline.errors import Invalid

CODE = """import json
import helicline as hl


def in_a_library():
    return json.loads("{")


def of_ours():
    return hl.Table.of(3)


def missing():
    return open("/proc/nowhere")
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(CODE)
    spec = importlib.util.spec_from_file_location("own", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "start", "line"),
    [("in_a_library", "JSONDecodeError: ", 6), ("of_ours", "table: got 'int'", 10), ("missing", "FileNotFound", 14)],
)
def test_the_reason_has_the_line_of_the_users_own_file(own, tmp_path, name, start, line):
    with pytest.raises(Exception) as error:  # noqa: PT011 (each of another type)
        getattr(own, name)()
    reason = reason_of(error.value, tmp_path, SecretMask())
    assert reason.startswith(start)
    assert reason.endswith(f" (own.py:{line})")


def test_an_error_outside_of_the_users_files_has_no_line(tmp_path):
    error = Invalid("step train returned", "nothing", "a Model")
    assert reason_of(error, tmp_path, SecretMask()).endswith("allowed: a Model.")


def test_a_secret_in_a_long_error_is_masked_before_it_is_cut(tmp_path):
    reason = reason_of(
        ValueError("x" * 1980 + "hunter2-hunter2-hunter2"), tmp_path, SecretMask(["hunter2-hunter2-hunter2"])
    )
    assert "hunter" not in reason
