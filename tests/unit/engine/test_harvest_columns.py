"""Harvested rows take the columns of the dataset that they are added to, and what differs is printed."""

import duckdb
import pandas as pd
import pytest

from helicline.engine.harvest.columns import conformed
from helicline.errors import Invalid


def rows_of(path):
    return duckdb.sql(f"SELECT * FROM '{path}'").df()


def test_rows_get_the_columns_of_the_dataset_and_say_what_they_lack_and_lose(tmp_path, capsys):
    pd.DataFrame({"age": [30.0, 41.0], "extra": [1, 2], "label": [0, 1]}).to_parquet(tmp_path / "rows.parquet")
    rows = rows_of(conformed(tmp_path / "rows.parquet", [("id", "BIGINT"), ("age", "BIGINT"), ("label", "BIGINT")]))
    assert rows.columns.tolist() == ["id", "age", "label"]
    assert (rows["age"].tolist(), str(rows["age"].dtype), rows["id"].isna().all()) == ([30, 41], "int64", True)
    assert capsys.readouterr().out.splitlines() == [
        "the rows have no value for id",
        "the rows have columns that the dataset has not, which are left out: extra",
    ]


def test_times_that_were_logged_as_text_are_times_again(tmp_path):
    """A date of a JSON request is text in the log, and a time in the dataset that trained the model."""
    texts = ["2026-03-01", "2026-03-02T10:30:00", "2026-03-02T10:30:00+02:00", None]
    pd.DataFrame({"signup": texts}).to_parquet(tmp_path / "rows.parquet")
    times = rows_of(conformed(tmp_path / "rows.parquet", [("signup", "TIMESTAMP")]))["signup"]
    assert [str(time) for time in times] == [
        "2026-03-01 00:00:00", "2026-03-02 10:30:00", "2026-03-02 08:30:00", "NaT",
    ]  # fmt: skip


def test_a_time_of_day_is_not_lost_to_a_date(tmp_path):
    texts = ["2026-03-01", "2026-03-02T10:30:00"]
    pd.DataFrame({"day": texts, "plain": ["2026-03-01", "2026-03-02"]}).to_parquet(tmp_path / "rows.parquet")
    rows = rows_of(conformed(tmp_path / "rows.parquet", [("day", "DATE"), ("plain", "DATE")]))
    assert rows["day"].tolist() == texts
    assert [str(day.date()) for day in rows["plain"]] == ["2026-03-01", "2026-03-02"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [([1.5, 2.0], "BIGINT"), ([float("inf"), 2.0], "BIGINT"), ([2.0**40, 2.0], "INTEGER"), (["a", "b"], "BIGINT")],
)
def test_a_value_that_the_type_of_the_dataset_cannot_hold_stays_as_it_is(tmp_path, values, kind):
    pd.DataFrame({"x": values}).to_parquet(tmp_path / "rows.parquet")
    assert rows_of(conformed(tmp_path / "rows.parquet", [("x", kind)]))["x"].tolist() == values


def test_rows_without_any_column_of_the_dataset_are_refused(tmp_path):
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(Invalid, match="some of its columns: id"):
        conformed(tmp_path / "rows.parquet", [("id", "BIGINT")])
