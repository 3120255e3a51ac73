"""What a page shows of a file, and what it never does."""

from __future__ import annotations

import json

import duckdb
import pytest

from helicline.records.model import ArtifactFile
from helicline.tracking.browse.files import diff_files, diff_text
from helicline.tracking.browse.preview import MAX_TABLE_BYTES, MAX_TEXT_BYTES, preview


def shown(path: str, content: bytes, size: int | None = None):
    return preview(path, content, size=len(content) if size is None else size)


def test_a_csv_is_a_table_with_its_first_rows():
    content = b"a,b\n" + b"".join(b'%d,"x, %d"\n' % (at, at) for at in range(1000))
    preview = shown("x.csv", content)
    assert (preview.kind, preview.columns, preview.rows[3]) == ("table", ["a", "b"], ["3", "x, 3"])
    assert (len(preview.rows), preview.row_count, preview.cut) == (200, 1000, True)


def test_a_cut_csv_does_not_claim_to_know_its_rows():
    preview = shown("x.tsv", b"a\tb\n1\t2\n", size=MAX_TABLE_BYTES * 2)
    assert (preview.columns, preview.row_count, preview.cut) == (["a", "b"], None, True)


def test_a_parquet_file_is_a_table(tmp_path):
    path = tmp_path / "x.parquet"
    duckdb.execute(f"COPY (SELECT range AS n, 'v' || range AS v FROM range(500)) TO '{path}' (FORMAT parquet)")
    preview = shown("deep/x.parquet", path.read_bytes())
    assert (preview.columns, preview.rows[2], preview.row_count) == (["n", "v"], ["2", "v2"], 500)


@pytest.mark.parametrize("path", ["x.parquet", "x.ipynb", "x.csv"])
def test_a_file_that_lies_about_its_kind_is_told_as_such(path: str):
    preview = shown(path, b"\0\1\2 not at all")
    assert preview.kind == "binary"
    preview = shown("x.ipynb", b'{"cells": 7}')
    assert (preview.kind, "no valid ipynb" in preview.note) == ("text", True)


def test_a_notebook_is_its_cells_as_text_and_its_markup_is_left_out():
    cell = {
        "cell_type": "code", "source": ["print(1)\n", "2"],
        "outputs": [
            {"output_type": "stream", "text": ["1\n"]},
            {"output_type": "execute_result", "data": {"text/plain": "2", "text/html": "<script>alert(1)</script>"}},
        ],
    }  # fmt: skip
    preview = shown("n.ipynb", json.dumps({"cells": [cell, {"cell_type": "markdown", "source": "# Hi"}]}).encode())
    assert [(cell.kind, cell.source) for cell in preview.cells] == [("code", "print(1)\n2"), ("markdown", "# Hi")]
    assert preview.cells[0].output == "1\n2"


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        ("a.txt", "é".encode(), "text"), ("a.json", b"{}", "json"), ("page.html", b"<script>", "text"),
        ("a.bin", b"\xff\xfe\xfd\xfc\xfb", "binary"), ("a.pkl", b"\x80\x04\0", "binary"), ("a.svg", b"<svg/>", "image"),
        ("empty", b"", "text"), ("e.csv", b"", "table"),
    ],
)  # fmt: skip
def test_a_kind_is_told_by_name_and_content(path: str, content: bytes, kind: str):
    assert shown(path, content).kind == kind


def test_text_that_is_cut_inside_a_character_is_still_text():
    preview = shown("a.txt", ("x" + "é" * MAX_TEXT_BYTES).encode()[:MAX_TEXT_BYTES], size=MAX_TEXT_BYTES * 2)
    assert (preview.kind, preview.cut) == ("text", True)


def test_trees_differ_by_content():
    def file(path: str, content: str) -> ArtifactFile:
        return ArtifactFile(path=path, size=len(content), hash=content)

    difference = diff_files(
        [file("a", "1"), file("b", "1"), file("c", "1")], [file("b", "22"), file("c", "1"), file("d", "1")]
    )
    assert [(change.path, change.change, change.before_size, change.after_size) for change in difference.changes] == [
        ("a", "removed", 1, -1), ("b", "changed", 1, 2), ("d", "added", -1, 1)
    ]  # fmt: skip
    assert difference.same_count == 1


def test_a_text_diff_names_the_lines():
    assert diff_text("a\nb\n", "a\nc\n")[3:] == [" a", "-b", "+c"]
