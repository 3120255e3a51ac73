import sys
import threading

import pytest

from helicline.environments.build import build
from helicline.environments.resolve import resolve
from helicline.errors import Invalid, Unavailable


def built(folder, *requirements, python=sys.executable, stopped=lambda: False):
    with (folder.parent / "output").open("ab") as output:
        return build(folder, python=python, requirements=requirements, output=output, stopped=stopped)


def test_a_build_that_fails_says_why_and_leaves_nothing(tmp_path):
    folder = tmp_path / "envs"
    folder.mkdir()
    with pytest.raises(Unavailable, match="not-a-wheel"):
        built(folder / "a", str(tmp_path / "not-a-wheel.whl"))
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []


def test_a_build_that_is_stopped_leaves_nothing(tmp_path):
    with pytest.raises(Unavailable, match="stopped"):
        built(tmp_path / "a", stopped=lambda: True)
    assert not (tmp_path / "a").exists()


def test_builders_at_once_build_once(tmp_path):
    interpreters = []
    threads = [threading.Thread(target=lambda: interpreters.append(built(tmp_path / "a"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert interpreters == [tmp_path / "a" / "bin" / "python"] * 3
    assert (tmp_path / "output").read_text().count("Creating virtual environment") == 1


GROUPS = '[dependency-groups]\ntrain = ["humanize==4.9.0"]\n'


def test_a_group_of_the_project_is_resolved_with_what_a_step_needs(tmp_path):
    (tmp_path / "pyproject.toml").write_text(GROUPS)
    (tmp_path / "loops").mkdir()
    lines = resolve("step a", "group:train", tmp_path / "loops", cache=tmp_path / "cache")
    assert "humanize==4.9.0" in lines
    assert {"msgspec", "duckdb", "pandas"} <= {line.partition("==")[0] for line in lines}
    assert resolve("step a", "group:train", tmp_path / "loops", cache=tmp_path / "cache") == lines


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "there is none in"), (GROUPS, "allowed: a group of .*pyproject.toml: train")],
)
def test_a_group_that_is_not_there_is_refused(tmp_path, text, message):
    if text:
        (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(Invalid, match=message):
        resolve("step a", "group:other", tmp_path)
