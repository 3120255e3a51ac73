"""What loops, tables and runs look like in a notebook: all texts are text, and what is broken says so."""

from html.parser import HTMLParser

import pytest

import helicline as hl
from helicline.sdk.parts.notebook import MOST_CHARS, html_table
from helicline.sdk.runs import Runs


class Cells(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_texts_are_never_markup_and_long_ones_are_cut():
    values = ["<script>alert(1)</script>", "x" * 999, None, float("nan"), 1 / 3]
    shown = Cells(html_table(["<b>name</b>"], [[value] for value in values]))
    assert set(shown.tags) == {"table", "thead", "tbody", "tr", "th", "td"}
    assert shown.texts[:2] == ["<b>name</b>", "<script>alert(1)</script>"]
    assert len(shown.texts[2]) == MOST_CHARS
    assert shown.texts[3:] == ["0.333333"]


def test_a_table_shows_its_first_rows_and_says_how_many_there_are():
    shown = Cells(hl.Table.of({"x": list(range(40)), "name": ["a"] * 40})._repr_html_())
    assert shown.texts[0] == "40 rows, 2 columns"
    assert shown.texts[1:3] == ["x (BIGINT)", "name (VARCHAR)"]
    assert shown.tags.count("tr") == 11


def test_a_table_that_cannot_be_read_says_why(tmp_path):
    (tmp_path / "bad.csv").write_text("")
    assert "bad.csv" in hl.Table([tmp_path / "bad.csv"])._repr_html_()


@hl.step
def rows() -> hl.Table: ...


@hl.step
def train(data: hl.Table) -> hl.Model: ...


@hl.pipeline
def good():
    return hl.candidate(train(rows()))


@hl.pipeline
def bad():
    return hl.candidate(train(rows().x))


@pytest.mark.parametrize(("pipeline", "words"), [(good, "rows → train"), (bad, ".x of its output")])
def test_a_loop_shows_its_parts(pipeline, words):
    loop = hl.Loop("churn", pipeline=pipeline, gates=[hl.at_least("auc", 0.7)], triggers=[hl.every("week")])
    shown = " ".join(Cells(loop._repr_html_()).texts)
    assert words in shown
    assert "at_least:auc" in shown
    assert "schedule:0 3 * * 1" in shown


def test_runs_are_a_table_also_where_there_are_none():
    assert Cells(Runs([])._repr_html_()).texts[0] == "0 runs"
