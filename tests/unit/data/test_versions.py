"""Versions and refs, on both databases."""

import threading

import pytest

from helicline import tracking  # noqa: F401  (its tables belong to the schema)
from helicline.data import versions
from helicline.errors import Conflict, HeliclineError, Invalid, NotFound
from helicline.records.dataset import FileEntry
from helicline.store.noun import Stale
from helicline.store.rows import event
from support.records import commit


def test_the_same_tree_is_the_same_version(store, blobs):
    first, again = commit(store, blobs, b"a"), commit(store, blobs, b"a")
    assert first == again
    assert len(store.read(lambda tx: versions.versions(tx, "customers"))) == 1


def test_versions_count_up_and_name_their_parent(store, blobs):
    first, second = commit(store, blobs, b"a"), commit(store, blobs, b"b")
    assert (first.sequence, second.sequence, second.parent) == (1, 2, first.id)


def test_going_back_to_an_old_tree_moves_the_ref_and_makes_no_twin(store, blobs):
    first, _, back = (commit(store, blobs, content) for content in (b"a", b"b", b"a"))
    assert back == first
    assert store.read(lambda tx: versions.resolve(tx, "customers")) == first


def test_a_commit_on_a_ref_that_moved_is_stale_and_keeps_nothing(store, blobs):
    first = commit(store, blobs, b"a")
    commit(store, blobs, b"b")
    with pytest.raises(Stale, match=first.id):
        commit(store, blobs, b"c", expected=first.id)
    assert len(store.read(lambda tx: versions.versions(tx, "customers"))) == 2


def test_a_ref_that_must_be_new_is_not_moved(store, blobs):
    commit(store, blobs, b"a")
    with pytest.raises(Stale, match="not to nothing"):
        commit(store, blobs, b"b", expected="")


def test_of_many_commits_at_once_on_one_parent_one_wins(store, blobs):
    first, ended = commit(store, blobs, b"a"), []

    def work(at):
        try:
            ended.append(commit(store, blobs, b"%d" % at, expected=first.id))
        except HeliclineError as error:
            ended.append(error)

    threads = [threading.Thread(target=work, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(1 for outcome in ended if isinstance(outcome, Conflict)) == 7
    assert len(store.read(lambda tx: versions.versions(tx, "customers"))) == 2


def test_first_commits_at_once_to_a_new_dataset_are_all_kept(store, blobs):
    threads = [threading.Thread(target=commit, args=(store, blobs, b"%d" % at)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = store.read(lambda tx: versions.versions(tx, "customers"))
    assert sorted(version.sequence for version in stored) == list(range(1, 9))


@pytest.mark.parametrize("spec", ["customers", "customers@main", "customers@v1", "customers@{id}"])
def test_a_version_is_found_by_ref_number_and_id(store, blobs, spec):
    version = commit(store, blobs, b"a")
    assert store.read(lambda tx: versions.resolve(tx, spec.format(id=version.id))) == version


@pytest.mark.parametrize("spec", ["nobody", "customers@v9", "customers@x", "customers@" + "0" * 12, "customers@v²"])
def test_what_is_not_there_is_not_found(store, blobs, spec):
    commit(store, blobs, b"a")
    with pytest.raises(NotFound):
        store.read(lambda tx: versions.resolve(tx, spec))


def test_a_ref_points_by_compare_and_swap(store, blobs):
    first, second = commit(store, blobs, b"a"), commit(store, blobs, b"b")
    store.write(lambda tx: versions.point(tx, "customers", "prod", target="v1"))
    store.write(lambda tx: versions.point(tx, "customers", "prod", target="main", expected=first.id))
    assert store.read(lambda tx: versions.resolve(tx, "customers@prod")) == second
    with pytest.raises(Stale):
        store.write(lambda tx: versions.point(tx, "customers", "prod", target="v1", expected=first.id))


def test_pointing_where_it_points_already_is_a_conflict(store, blobs):
    commit(store, blobs, b"a")
    with pytest.raises(Conflict, match="already"):
        store.write(lambda tx: versions.point(tx, "customers", "main", target="v1"))


def test_a_commit_tells_the_bus_of_the_version_and_of_the_ref(store, blobs):
    version = commit(store, blobs, b"a")
    recorded_events = [
        (recorded.noun, recorded.verb, recorded.id) for recorded in store.read(lambda tx: event.after(tx, 0))
    ]
    assert recorded_events[-2:] == [
        ("dataset_version", "committed", version.ref),
        ("dataset_ref", "moved", "customers@main"),
    ]


def test_files_whose_bytes_were_not_uploaded_are_refused(blobs):
    with pytest.raises(Invalid, match="uploaded first"):
        versions.prepare(blobs, [FileEntry("a", 1, "0" * 64)])


def test_a_file_that_only_says_it_is_parquet_is_refused(blobs):
    digest, size = blobs.put([b"not parquet"])
    with pytest.raises(Invalid, match="Parquet"):
        versions.prepare(blobs, [FileEntry("a.parquet", size, digest)])


def test_rows_and_columns_of_parquet_are_known(blobs, tmp_path):
    from helicline.sdk.handles import write_parquet

    write_parquet({"x": [1, 2, 3], "y": ["a", "b", "c"]}, tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    digest, size = blobs.put([content])
    prepared = versions.prepare(blobs, [FileEntry("a.parquet", size, digest)])
    assert (prepared.facts.row_count, [name for name, _ in prepared.facts.columns]) == (3, ["x", "y"])
