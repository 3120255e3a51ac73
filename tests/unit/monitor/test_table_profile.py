"""The profile of a dataset version: what is in each column, now and before, and where it is computed."""

from datetime import UTC, datetime

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet
import pytest

from helicline.data import tree, versions
from helicline.errors import Invalid
from helicline.monitor.table_profile import columns, stored
from helicline.monitor.table_profile.beside import beside
from helicline.monitor.table_profile.columns import profile_of
from helicline.records.dataset import DatasetVersion, FileEntry
from support.wait import wait_for

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def profiled(query):
    session = duckdb.connect(":memory:")
    session.execute(f"CREATE VIEW data AS {query}")
    ((count,),) = session.execute("SELECT count(*) FROM data").fetchall()
    return profile_of(session, count)


def column(query):
    (only,) = profiled(query).columns
    return only


def test_numbers_have_their_range_mean_and_quantiles_and_those_that_are_none_are_missing():
    x = column("SELECT unnest([1, 2, 3, 4, NULL, 'nan'::DOUBLE, 'inf'::DOUBLE, 4]) AS x")
    assert (x.family, x.missing, x.distinct, x.low, x.high) == ("numbers", 3 / 8, 4, "1.0", "4.0")
    assert (x.mean, x.quantiles[2]) == (2.8, 3.0)
    assert (x.counts.count, x.counts.missing) == (5, 3)


def test_text_is_counted_by_its_commonest_values_and_the_rest_is_summed():
    text = column("SELECT CASE WHEN i < 3000 THEN 'common' ELSE 'v' || i END AS t FROM range(5000) r(i)")
    assert (text.distinct, text.counts.categories["common"]) == (2001, 3000)
    assert sum(text.counts.categories.values()) == 5000
    assert len(text.counts.categories) <= columns.MAX_CATEGORIES + 1


def test_times_are_counted_as_seconds_and_identifiers_are_told():
    profile = profiled("SELECT i AS id, DATE '2026-01-01' + (i % 9)::INT AS day FROM range(100) r(i)")
    number, day = profile.columns
    assert (number.role, day.role, day.family, day.low, day.high) == (
        "identifier", "time", "times", "2026-01-01", "2026-01-09",
    )  # fmt: skip
    assert day.counts.low == 1_767_225_600


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT NULL::INTEGER AS x FROM range(3)", ("numbers", 1.0, 0, "")),
        ("SELECT 1::INTEGER AS x WHERE false", ("numbers", 0.0, 0, "")),
        ("SELECT NULL::DATE AS x", ("times", 1.0, 0, "")),
        ("SELECT [1, 2] AS x", ("text", 0.0, 1, "[1, 2]")),
        ("SELECT true AS x", ("text", 0.0, 1, "true")),
        ("SELECT 170141183460469231731687303715884105727::HUGEINT AS x", ("numbers", 0.0, 1, f"{2**127 - 1}")),
        ("SELECT '\\xFF'::BLOB AS x", ("text", 0.0, 1, "\\xFF")),
        ("SELECT TIMESTAMPTZ '2026-01-01 00:00:00+00' AS x", ("times", 0.0, 1, "2026-01-01 00:00:00+00")),
        ("SELECT 'infinity'::TIMESTAMP AS x", ("times", 1.0, 0, "")),
    ],
)
def test_a_column_of_any_type_has_a_profile(query, expected):
    x = column(f"SELECT * FROM ({query})")
    assert (x.family, x.missing, x.distinct, x.low) == expected
    assert beside(profiled(query), None)[0].now.missing == expected[1]


def test_of_a_large_table_a_sample_is_read_and_that_is_said(monkeypatch):
    monkeypatch.setattr(columns, "MOST_ROWS", 1000)
    query = "SELECT i % 7 AS x FROM range(40000) r(i)"
    profile = profiled(query)
    assert profile.row_count == 40_000
    assert 800 < profile.read_count < 1200
    assert profile == profiled(query)


def test_columns_stand_beside_those_of_the_version_before_in_the_same_bins():
    old = profiled("SELECT i::DOUBLE AS x, 'a' AS gone, 1 AS other FROM range(100) r(i)")
    new = profiled("SELECT i + 50.0 AS x, 'b' AS fresh, 'text' AS other FROM range(100) r(i)")
    x, fresh, other, removed = beside(new, old)
    assert (x.now.low, x.before.low) == ("50.0", "0.0")
    assert sum(part.reference for part in x.histogram.bins[:8]) > 0.3
    assert sum(part.window for part in x.histogram.bins[:7]) == 0
    assert (fresh.before, removed.now) == (None, None)
    assert (removed.histogram.bins[0].reference, removed.histogram.bins[0].window) == (1.0, 0.0)
    assert (other.before.type, other.histogram.kind, other.histogram.reference_count) == ("INTEGER", "category", 0)


# --- stored by content ----------------------------------------------------------------------------------------------


@pytest.fixture
def committed(blobs):
    def commit(name, content):
        digest, size = blobs.put([content])
        prepared = versions.prepare(blobs, [FileEntry(name, size, digest)])
        return DatasetVersion(
            dataset="rows", id=prepared.root_hash[:12], sequence=1, root_hash=prepared.root_hash, parent="",
            message="", created_at=NOW, created_by="local", file_count=1, byte_count=size, table=prepared.table,
            kind="table" if prepared.table else "files",
        )  # fmt: skip

    return commit


def parquet(folder):
    pa.parquet.write_table(pa.table({"x": [1, 2, 3]}), folder / "a.parquet")
    return (folder / "a.parquet").read_bytes()


def computed(home, blobs, version):
    return wait_for(lambda: stored.find(home, blobs, version), "the profile", limit_s=60)


def test_a_profile_is_computed_apart_once_and_read_from_then_on(blobs, tmp_path, committed, monkeypatch):
    version = committed("a.csv", b"id,name\n1,Ann\n2,Bob\n")
    profile = computed(tmp_path, blobs, version)
    assert (profile.row_count, profile.shown_columns) == (2, ("id", "name"))
    assert profile.shown_rows == (("1", "Ann"), ("2", "Bob"))
    monkeypatch.setattr(stored, "_compute", None)  # nothing begins it again
    assert stored.find(tmp_path, blobs, version) == profile


def test_an_error_is_said_once_and_who_asks_again_begins_again(blobs, tmp_path, committed):
    version = committed("a.parquet", parquet(tmp_path))
    (entry,) = tree.read_tree(blobs, version.root_hash)
    path = blobs.path(entry.hash)
    content = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(b"broken")
    with pytest.raises(Invalid, match="the process that looks into them ended"):
        computed(tmp_path, blobs, version)
    path.write_bytes(content)
    assert computed(tmp_path, blobs, version).row_count == 3


def test_a_version_of_before_its_tables_were_recorded_is_looked_into(blobs, tmp_path, committed):
    version = msgspec.structs.replace(committed("a.parquet", parquet(tmp_path)), table="", kind="", row_count=3)
    assert computed(tmp_path, blobs, version).row_count == 3


def test_files_that_are_no_table_have_none(committed):
    with pytest.raises(Invalid, match="1 file that is no table"):
        stored.checked_table(committed("a.png", b"png"))
