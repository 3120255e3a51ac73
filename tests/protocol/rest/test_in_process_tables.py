"""A pipeline in this process reads a dataset of the server as a worker would: formats, types and missing values."""

import pytest

import helicline as hl

GERMAN = "id;plan;amount;day\n007;NA;1,5;31.12.2025\n008;basic;;01.01.2026\n"


@hl.step
def described(rows: hl.Table) -> hl.Artifact:
    relation = rows.duckdb()
    rows_as_text = [[str(value) for value in row] for row in relation.fetchall()]
    return {"types": [str(kind) for kind in relation.types], "rows": rows_as_text}


@hl.pipeline
def look(rows: hl.Table = hl.dataset("orders")):
    return described(rows)


@pytest.fixture
def server(place, monkeypatch):
    monkeypatch.setenv("HELICLINE_URL", place.url)


def test_a_local_file_and_a_committed_one_are_the_same_table(server, hl, tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(GERMAN)
    assert hl("data", "commit", "orders", str(path)).returncode == 0
    committed, local = look.run_here().json(), look.run_here(str(path)).json()
    assert committed["types"] == local["types"] == ["VARCHAR", "VARCHAR", "DOUBLE", "DATE"]
    assert committed["rows"] == local["rows"]
    assert [row[:3] for row in local["rows"]] == [["007", "NA", "1.5"], ["008", "basic", "None"]]
