"""What a commit makes of the version before it, and how frames become files."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from helicline.errors import Conflict, Invalid
from helicline.records.dataset import FileEntry
from helicline.sdk.data import _change
from helicline.sdk.frames import write_frame
from helicline.sdk.local_files import files_of

BEFORE = [FileEntry("day=1/a.csv", 1, "a"), FileEntry("day=1/b.csv", 1, "b"), FileEntry("day=10/a.csv", 1, "c")]


def change(before, *added, append=True, partition="", is_frame=False):
    return _change(before, [*added], append=append and not partition, partition=partition, is_frame=is_frame)


def test_what_is_appended_stands_beside_what_was_there():
    appended = change(BEFORE, FileEntry("day=2/a.csv", 1, "d"))
    assert [entry.hash for entry in appended.files] == ["a", "b", "c", "d"]
    assert appended.sentence == "appends day=2/a.csv to 3 files"


def test_the_same_file_is_appended_once_and_another_of_its_name_is_refused():
    again = change(BEFORE, BEFORE[0])
    assert set(again.files) == set(BEFORE)
    assert again.sentence == "appends nothing; day=1/a.csv is there already, with the same content"
    with pytest.raises(Conflict, match=r"day=1/a.csv.*other content"):
        change(BEFORE, FileEntry("day=1/a.csv", 1, "x"))


def test_a_partition_replaces_its_own_part_and_says_of_how_many_files():
    replaced = change(BEFORE, FileEntry("new.csv", 1, "n"), partition="day=1")
    assert [entry.path for entry in replaced.files] == ["day=10/a.csv", "day=1/new.csv"]
    assert replaced.sentence == "replaces 2 files of day=1 by 1; 1 file of other parts: as before"
    assert change(BEFORE, FileEntry("n.csv", 1, "n"), partition="day=3").sentence.startswith("adds the new part day=3")


def test_frames_that_are_appended_are_numbered():
    first = change([], FileEntry("rows-000001.parquet", 1, "a"), is_frame=True)
    second = change(list(first.files), FileEntry("rows-000001.parquet", 1, "b"), is_frame=True)
    assert [entry.path for entry in second.files] == ["rows-000001.parquet", "rows-000002.parquet"]


def test_files_folders_and_patterns_are_named_as_they_lie(tmp_path):
    for name in ("x/a.csv", "x/deep/b.csv", "y/a.csv", "y/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)

    def names(*sources):
        return [entry.path for entry, _ in files_of([f"{tmp_path}/{source}" for source in sources])]

    assert names("x") == ["a.csv", "deep/b.csv"]
    assert names("x", "y") == ["x/a.csv", "x/deep/b.csv", "y/a.csv", "y/c.txt"]
    assert names("*/a.csv") == ["x/a.csv", "y/a.csv"]
    assert names("x/**/*.csv") == ["a.csv", "deep/b.csv"]
    assert names("x/a.csv", "y/c.txt", "x/*.csv") == ["a.csv", "c.txt"]
    with pytest.raises(Invalid, match=r"one file named a\.csv"):
        names("x/a.csv", "y/a.csv")
    with pytest.raises(Invalid, match="a pattern that a file matches"):
        names("x/*.parquet")


COLUMNS = {
    "whole": pa.array([1, None], pa.int32()),
    "money": pa.array([decimal.Decimal("1.10"), None], pa.decimal128(9, 2)),
    "plan": pa.array(["a", "b"]).dictionary_encode(),
    "at": pa.array([datetime.datetime(2026, 1, 1), None], pa.timestamp("ms", "UTC")),
    "day": pa.array([datetime.date(2026, 1, 1), None]),
    "tags": pa.array([["x"], []], pa.list_(pa.field("element", pa.string()))),
}


@pytest.mark.parametrize("form", [lambda table: table, lambda table: table.to_pandas(types_mapper=pd.ArrowDtype)])
def test_the_types_of_a_frame_are_those_of_its_file(tmp_path, form):
    table = pa.table(COLUMNS)
    write_frame(form(table), tmp_path / "a.parquet", tell=print)
    schema = pyarrow.parquet.read_schema(tmp_path / "a.parquet")
    assert {field.name: str(field.type) for field in schema} == {field.name: str(field.type) for field in table.schema}


def test_an_index_with_a_name_is_a_column_and_one_without_is_left_out_aloud(tmp_path):
    lines = []
    write_frame(pd.DataFrame({"x": [1]}, index=pd.Index([7], name="id")), tmp_path / "a.parquet", lines.append)
    assert pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pydict() == {"id": [7], "x": [1]}
    assert lines == []
    write_frame(pd.DataFrame({"x": [1]}, index=[7]), tmp_path / "b.parquet", lines.append)
    assert "the index of the frame has no name and is left out" in lines[0]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame({"x": np.array([1, "a"], dtype=object)}), "column x with type object"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "columns: got 'x'"),
        (pd.Series([1]), "to_frame"),
    ],
)
def test_a_frame_without_one_type_or_name_for_each_column_is_refused(tmp_path, frame, words):
    with pytest.raises(Invalid, match=words):
        write_frame(frame, tmp_path / "a.parquet", print)
