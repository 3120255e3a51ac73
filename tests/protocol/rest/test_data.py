"""Committing and reading tables through a server: what is shown, refused, appended and replaced."""

import gzip
import json
import subprocess
import sys

import pandas as pd
import pytest

import helicline as hl
from helicline.errors import Conflict, Invalid
from helicline.sdk.steps.dataset_table import open_dataset


@pytest.fixture
def client(place):
    with hl.Client(place.url) as session:
        yield session


def lines_of(client, dataset, source, **how):
    lines = []
    version = hl.data.commit(dataset, source, client=client, tell=lines.append, **how)
    return version, lines


def test_a_step_reads_all_rows_of_csv_beside_parquet(client, tmp_path):
    pd.DataFrame({"id": [1, 2], "amount": [1.5, 2.5]}).to_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_bytes(b"id;amount\n3;3,5\n")
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"id,amount\n4,NA\n"))
    version, _ = lines_of(client, "mixed", tmp_path)
    assert (version.kind, version.row_count, version.columns) == ("table", 4, (("id", "BIGINT"), ("amount", "DOUBLE")))
    assert "b.csv: a semicolon between columns, amount with a decimal comma" in version.notes
    table = open_dataset(version.ref, client, tmp_path / "scratch")
    assert table.pandas()["id"].tolist() == [1, 2, 3, 4]
    assert table.pandas()["amount"].fillna(-1).tolist() == [1.5, 2.5, 3.5, -1]


def test_what_cannot_be_read_is_refused_at_the_commit_and_leaves_no_version(client, tmp_path):
    (tmp_path / "a.csv").write_text("id\n1\n")
    lines_of(client, "checked", tmp_path)
    (tmp_path / "b.csv").write_text("id\nx\n")
    with pytest.raises(Invalid, match=r"id holds (text|numbers)") as refused:
        lines_of(client, "checked", tmp_path)
    assert refused.value.field in ("a.csv", "b.csv")
    (tmp_path / "b.csv").write_text("id,id\nx,y\n")
    with pytest.raises(Invalid, match=r"^b.csv: got \"2 columns named 'id'\""):
        lines_of(client, "checked", tmp_path)
    assert len(client.items("/datasets/checked/versions", dict)) == 1


def test_files_that_are_no_table_are_committed_as_before_and_no_step_reads_them_as_one(client, tmp_path):
    (tmp_path / "a.csv").write_text("id\n1\n")
    (tmp_path / "b.csv").write_text("other\n1\n")
    version, _ = lines_of(client, "pictures", tmp_path, as_files=True)
    assert (version.kind, version.row_count, version.file_count) == ("files", None, 2)
    with pytest.raises(Invalid, match="without --as-files"):
        open_dataset(version.ref, client, tmp_path / "scratch")
    assert client.checkout("pictures@main", tmp_path / "copy").id == version.id


def test_frames_are_appended_one_after_another(client):
    for day in range(3):
        version, lines = lines_of(client, "clicks", pd.DataFrame({"day": [day]}), append=True)
    assert (version.row_count, version.sequence, version.message) == (3, 3, lines[-1])
    assert lines == ["appends rows-000003.parquet to 2 files"]
    with pytest.raises(Invalid, match=r"rows-00000\d.parquet"):
        lines_of(client, "clicks", pd.DataFrame({"other": [1]}), append=True)


def test_to_append_what_is_there_makes_no_version_and_another_content_is_refused(client, tmp_path):
    (tmp_path / "a.csv").write_text("id\n1\n")
    first, _ = lines_of(client, "daily", tmp_path / "a.csv", append=True)
    again, lines = lines_of(client, "daily", tmp_path / "a.csv", append=True)
    assert (again.id, lines) == (first.id, ["appends nothing; a.csv is there already, with the same content"])
    (tmp_path / "a.csv").write_text("id\n2\n")
    with pytest.raises(Conflict, match="other content"):
        lines_of(client, "daily", tmp_path / "a.csv", append=True)


def test_the_command_replaces_one_part_and_shows_how_the_files_were_read(place, tmp_path):
    def run(*arguments):
        command = [sys.executable, "-m", "helicline.cli.app", "data", "commit", "parts", *arguments]
        environment = {"HELICLINE_URL": place.url, "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr

    (tmp_path / "a.csv").write_text("id\n1\n2\n")
    assert "adds the new part day=1" in run("a.csv", "--partition", "day=1")[1]
    (tmp_path / "a.csv").write_text("id\n5\n")
    code, output = run("*.csv", "--partition", "day=1")
    assert code == 0
    assert "replaces 1 file of day=1 by 1; 0 files of other parts: as before" in output
    assert "columns: id BIGINT" in output
    assert "day=1/a.csv: a comma between columns" in output
    assert run("nothing*.csv")[0] != 0


def test_two_versions_are_compared_at_each_level(hl, tmp_path):
    (tmp_path / "rows.csv").write_text("id,amount,city\n1,3.5,Graz\n2,4.0,Linz\n")
    assert hl("data", "commit", "compared", "rows.csv").returncode == 0
    (tmp_path / "rows.csv").write_text("id,amount,town\n1,3.5,Graz\n2,,Linz\n3,1.0,Wels\n")
    assert hl("data", "commit", "compared", "rows.csv").returncode == 0
    schema = hl("data", "diff", "compared", "v1", "v2", "--level", "schema").stdout
    assert [line.split() for line in schema.splitlines()[1:]] == [
        ["city", "VARCHAR", "(none)"],
        ["town", "(none)", "VARCHAR"],
    ]
    assert "0.0% → 33.3%" in hl("data", "diff", "compared", "v1", "v2", "--level", "stats").stdout
    rows = hl("data", "diff", "compared", "v1", "v2", "--level", "rows", "--key", "id").stdout
    assert "2 rows before, 3 after: 1 added, 0 removed, 1 changed" in rows
    assert "id=2: amount 4.0 → None" in rows
    assert "city, town" in rows
    changes = json.loads(hl("data", "diff", "compared", "v1", "v2", "--level", "rows", "--key", "id", "--json").stdout)
    assert (changes["added"], changes["cells"][0]["column"]) == (1, "amount")
    refused = hl("data", "diff", "compared", "v1", "v2", "--key", "id")
    assert refused.returncode == 1
    assert "--level rows" in refused.stderr + refused.stdout
