"""A dataset that names its files: relative to the file that says so, and read where no server has the dataset."""

import pytest

import helicline as hl
from helicline.cli.loop_file.apply import load_loops
from helicline.errors import Invalid, NotFound

LOOP = """
import helicline as hl

@hl.step
def count(rows: hl.Table) -> hl.Metrics:
    return {"rows": rows.row_count}

@hl.pipeline
def PIPE(rows: hl.Table = hl.dataset("rows@main", files=FILES)):
    return count(rows)

loop = hl.Loop("LOOP", pipeline=PIPE)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("HELICLINE_URL", "http://127.0.0.1:9")
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "one.csv").write_text("x\n1\n2\n")
    (tmp_path / "exports" / "two.csv").write_text("x\n3\n")

    def loop_of(files, name="counting"):
        path = tmp_path / f"{name}_loop.py"
        path.write_text(LOOP.replace("FILES", repr(files)).replace("LOOP", name).replace("PIPE", f"{name}_pipe"))
        return load_loops(path)[0]

    return loop_of


@pytest.mark.parametrize("files", ["exports", "exports/*.csv", ["exports/one.csv", "exports/two.csv"]])
def test_files_stand_in_for_a_server_that_does_not_answer(project, files, capsys):
    assert project(files).pipeline.run_here() == {"rows": 3.0}
    assert "is read from its files" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_named(project):
    with pytest.raises(Invalid, match=r"none\.csv"):
        project("none.csv").pipeline.run_here()


def test_a_version_is_there_or_not(project):
    with pytest.raises(Invalid, match="a ref that moves"):
        hl.dataset("rows@v3", files="exports")


def test_without_files_a_missing_dataset_is_told_as_before(project, monkeypatch):
    def missing(*_):
        raise NotFound("dataset", "rows", "Commit one")

    monkeypatch.setattr("helicline.sdk.steps.dataset_table.open_dataset", missing)
    with pytest.raises(NotFound):
        project(()).pipeline.run_here()
