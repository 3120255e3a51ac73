"""A table is the union of its files, whatever their formats; what cannot be read so is refused by the file's name."""

import gzip
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

import helicline as hl
from helicline.errors import Invalid
from helicline.tables.inspect import LocalFile, inspect
from helicline.tables.process import inspect_apart
from helicline.tables.read import relation

CSV = "id,name,amount,day\n1,Ann,1.5,2026-01-01\n"


def write(folder, **contents):
    """Write files, named `a_csv` for a.csv; return them as files of a dataset."""
    for name, content in contents.items():
        path = folder / name.replace("_", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [LocalFile(path.name, path.name, str(path)) for path in sorted(folder.iterdir())]


def read(files):
    """Return the rows of a table and its columns."""
    session = duckdb.connect(":memory:")
    facts = inspect(session, files)
    places = {file.path: Path(file.at) for file in files}
    rows = relation(session, facts, [places[file.path] for file in facts.files])
    return rows.fetchall(), dict(facts.columns), facts


def refused(files):
    with pytest.raises(Invalid) as refusal:
        inspect(duckdb.connect(":memory:"), files)
    return str(refusal.value)


def test_files_of_every_format_are_one_table_in_the_order_of_their_paths(tmp_path):
    columns = {"name": ["Bob"], "amount": [2.5], "day": pa.array([None], pa.date32())}
    pyarrow.parquet.write_table(pa.table({"id": pa.array([6], pa.int32()), **columns}), tmp_path / "f.parquet")
    pyarrow.feather.write_feather(pa.table({"id": [7], **columns}), tmp_path / "g.feather")
    with (
        (tmp_path / "h.arrow").open("wb") as file,
        pa.ipc.new_stream(file, pa.table({"id": [8], **columns}).schema) as out,
    ):
        out.write_table(pa.table({"id": [8], **columns}))
    files = write(
        tmp_path,
        a_csv=CSV,
        b_csv="id;name;amount;day\n2;Zoë;2,5;03.01.2026\n".encode("cp1252"),
        c_csv_gz=gzip.compress(CSV.replace("1,Ann", "3,Ann").encode()),
        d_csv_zst=zstandard.ZstdCompressor().compress(CSV.replace("1,Ann", "4,Ann").encode()),
        e_jsonl='{"id": 5, "name": "Eve", "amount": null, "day": "2026-01-05"}\n',
    )
    rows, columns, facts = read(files)
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert facts.row_count == 8
    assert columns == {"id": "BIGINT", "name": "VARCHAR", "amount": "DOUBLE", "day": "DATE"}
    assert [str(cell) for cell in rows[1]] == ["2", "Zoë", "2.5", "2026-01-03"]


def test_a_step_sees_the_rows_of_csv_beside_parquet(tmp_path):
    pyarrow.parquet.write_table(pa.table({"x": [1, 2]}), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("x\n3\n")
    table = hl.Table([tmp_path / "b.csv", tmp_path / "a.parquet"])
    assert (table.row_count, table.pandas()["x"].tolist()) == (3, [1, 2, 3])
    assert hl.Table.of(table).numpy()["x"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "NA", ""], "BIGINT", [1, None, None]),
        (["a", "NA", ""], "VARCHAR", ["a", "NA", None]),
        (["NA", "NA", "NA"], "VARCHAR", ["NA", "NA", "NA"]),
        (["007", "010", "1"], "VARCHAR", ["007", "010", "1"]),
        (["12345678901234567890", "1", "2"], "VARCHAR", ["12345678901234567890", "1", "2"]),
        (["1", "2.5", "nan"], "DOUBLE", [1.0, 2.5, None]),
        (["true", "False", ""], "BOOLEAN", [True, False, None]),
        (["31.12.2025", "01.01.2026", ""], "DATE", ["2025-12-31", "2026-01-01", None]),
        (["12/31/2025", "01/01/2026", ""], "DATE", ["2025-12-31", "2026-01-01", None]),
        (["01/02/2026", "03/04/2026", ""], "VARCHAR", ["01/02/2026", "03/04/2026", None]),
        (
            ["2026-01-01T10:00:00+02:00", "", "2026-01-01T10:00Z"],
            "TIMESTAMP",
            ["2026-01-01 08:00:00", None, "2026-01-01 10:00:00"],
        ),
        (["2026-02-30", "2026-01-01", "2026-01-01"], "VARCHAR", ["2026-02-30", "2026-01-01", "2026-01-01"]),
    ],
)
def test_what_text_a_column_holds_decides_its_type_and_what_is_missing(tmp_path, cells, kind, values):
    rows, columns, _ = read(
        write(tmp_path, a_csv="key;x\n" + "".join(f"k{at};{cell}\n" for at, cell in enumerate(cells)))
    )
    assert columns["x"] == kind
    expected = [str(value) if kind in ("DATE", "TIMESTAMP") and value else value for value in values]
    assert [str(cell) if kind in ("DATE", "TIMESTAMP") and cell else cell for _, cell in rows] == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("id,id\n1,2\n", "2 columns named 'id'"),
        ("Id,b,ID\n1,2,3\n", "2 columns named 'Id' and 'ID'"),
        ("id,b\n1,2\n1,2,3\n", "Line: 3"),
        ('id,b\n1,"x\n', "unterminated quote"),
        ("", "an empty file"),
        ("1,2\n3,4\n", "a first line without names"),
        (b"id,b\n\0\0\1,2\n", "no text"),
    ],
)
def test_a_csv_file_that_cannot_be_read_is_refused_by_its_name(tmp_path, content, words):
    message = refused(write(tmp_path, a_csv=CSV, bad_csv=content))
    assert message.startswith("bad.csv: ")
    assert words in message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("bad_parquet", "nope", "no Parquet file"),
        ("bad_feather", "nope", "no Arrow file"),
        ("bad_jsonl", '{"a": 1}\n{"a": \n', "no JSON lines file"),
        ("bad_jsonl", '{"a": 1}\n{"a": "x"}\n', "values of different types in 'a'"),
        ("bad_csv_gz", gzip.compress(CSV.encode() * 99, mtime=0)[:-9], "within its compression"),
    ],
    ids=["parquet", "feather", "half a line", "two types", "half a file"],
)
def test_a_file_of_another_format_that_cannot_be_read_is_refused_by_its_name(tmp_path, name, content, words):
    message = refused(write(tmp_path, **{name: content}))
    assert message.startswith(name.replace("_", "."))
    assert words in message
    assert str(tmp_path) not in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (CSV.replace("amount", "amt"), "it has no column amount; it has a column amt"),
        (CSV.replace("1.5", "n/b"), "amount holds text ('n/b' in row 1), not numbers"),
        (CSV.replace("2026-01-01", "5"), "day holds numbers, not times"),
    ],
)
def test_one_file_of_other_columns_is_named_and_turns_no_column_of_the_others_to_text(tmp_path, content, words):
    message = refused(write(tmp_path, a_csv=content, b_csv=CSV, c_csv=CSV.replace("1,Ann", "2,Ann")))
    assert message.startswith("a.csv: ")
    assert words in message


def test_a_column_without_values_agrees_with_every_file(tmp_path):
    pyarrow.parquet.write_table(
        pa.table({"id": [2], "name": pa.nulls(1), "amount": [1], "day": pa.nulls(1)}), tmp_path / "b.parquet"
    )
    rows, columns, _ = read(write(tmp_path, a_csv=CSV, c_csv="id,name,amount,day\n3,,NA,\n"))
    assert (columns["name"], columns["day"], rows[2][2]) == ("VARCHAR", "DATE", None)


def test_files_that_are_no_table_are_counted_and_named(tmp_path):
    _, _, facts = read(write(tmp_path, a_csv=CSV, README_md="how", photo_png="p"))
    assert facts.other_files == 2
    assert "2 files are no part of the table: README.md, photo.png" in facts.notes


def test_a_folder_without_tables_is_no_table(tmp_path):
    assert inspect_apart(write(tmp_path, photo_png="p", notes_txt="n")) is None


def test_what_was_looked_into_before_is_not_read_again(tmp_path):
    files = write(tmp_path, a_csv=CSV)
    _, _, facts = read(files)
    (tmp_path / "a.csv").unlink()
    assert inspect(duckdb.connect(":memory:"), files, facts.files) == facts


def test_the_process_apart_gives_the_same_facts_and_the_same_refusals(tmp_path):
    files = write(tmp_path, a_csv=CSV)
    assert inspect_apart(files) == read(files)[2]
    with pytest.raises(Invalid, match=r"^b.csv: got 'an empty file'"):
        inspect_apart(write(tmp_path, b_csv=""))


CELLS = st.one_of(
    st.integers(-(10**17), 10**17).map(str), st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.dates().map(str), st.sampled_from(["NA", "", "x", "1,5", "007", "true", "-", 'a"b', "a\nb"]),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
def test_no_value_of_a_csv_file_is_lost_or_becomes_another(tmp_path_factory, cells):
    import csv

    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("key", "left", "right"), *((f"k{at}", *row) for at, row in enumerate(cells))])
    rows, columns, _ = read([LocalFile("a.csv", "", str(path))])
    assert len(rows) == len(cells)
    for at, kind in ((1, columns["left"]), (2, columns["right"])):
        for row, texts in zip(rows, cells, strict=True):
            text, value = texts[at - 1], row[at]
            if kind == "VARCHAR":
                assert value == (text or None)
            elif kind in ("BIGINT", "DOUBLE"):
                assert value == (None if text in ("", "NA") else float(text.replace(",", ".")))
