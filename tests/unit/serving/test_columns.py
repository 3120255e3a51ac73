"""Values that no file can hold cost no other row of their segment."""

import time

import duckdb
import numpy as np

from helicline.gateway.worker.log import pack
from helicline.ids import new_prediction_id
from helicline.serving.prediction_log.columns import batches
from helicline.serving.prediction_log.seal import _write
from helicline.serving.prediction_log.segment import Line, Schema


def written(tmp_path, features, entries):
    now = time.time_ns() // 1000
    lines = [
        Line(new_prediction_id(), now, "d", 1, "m", 1, "stable", 1, "", 0, 0, 0, "h", "oip", 200, 1, 900, entry)
        for entry in entries
    ]
    [batch] = batches([Schema("d", 1, features), *lines])
    _write(batch, tmp_path / "a.parquet")
    columns = ", ".join([f'"{name}"' for name, _ in features] + ["prediction"])
    return duckdb.sql(f"SELECT {columns} FROM '{tmp_path}/a.parquet'").fetchall()


def test_a_number_that_its_column_cannot_hold_is_missing_alone(tmp_path):
    entries = [pack(np.array([[value]]), np.array([1.0]), row_count=1) for value in (1.5, 1e308)]
    assert written(tmp_path, (("f_a", "float"),), entries) == [(1.5, "1.0"), (None, "1.0")]


def test_lone_surrogates_are_question_marks_and_missing_text_is_missing(tmp_path):
    entries = [
        pack([["\ud800"]], ["\ud800x"], row_count=1),
        pack([[float("nan")]], ["ok"], row_count=1),
        pack([["größe"]], [None], row_count=1),
    ]
    assert written(tmp_path, (("f_t", "string"),), entries) == [("?", "?x"), (None, "ok"), ("größe", None)]


def test_an_answer_a_row_is_logged_however_many_rows_there_are(tmp_path):
    labels = [f"class {number:06d}" for number in range(9_000)]
    rows = written(tmp_path, (), [pack(None, labels, row_count=len(labels))])
    assert [text for (text,) in rows] == labels
