"""Trees: equal contents have equal names, edits touch one shard, and no path leaves the root."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helicline.data import tree
from helicline.errors import Invalid
from helicline.records.dataset import FileEntry
from helicline.store.blobs import LocalBlobs

NAMES = st.text(alphabet="abcdefghij0123456789_-", min_size=1, max_size=12)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
HASHES = st.integers(0, 3).map(lambda at: f"{at:064x}")
FILES = st.dictionaries(PATHS, HASHES, min_size=1, max_size=40)


def entries(files):
    return tree.checked_entries(FileEntry(path, 1, digest) for path, digest in files.items())


@pytest.fixture(scope="module")
def blobs_of_module():
    with tempfile.TemporaryDirectory() as folder:
        yield LocalBlobs(Path(folder))


@given(FILES)
@settings(max_examples=60, deadline=None)
def test_a_tree_reads_back_as_it_was_written(blobs_of_module, files):
    listed = entries(files)
    assert tree.read_tree(blobs_of_module, tree.write_tree(blobs_of_module, listed)) == listed


@given(FILES, st.randoms())
@settings(max_examples=40, deadline=None)
def test_the_name_of_a_tree_does_not_depend_on_the_order_of_its_files(blobs_of_module, files, chance):
    shuffled = list(files.items())
    chance.shuffle(shuffled)
    assert tree.write_tree(blobs_of_module, entries(dict(shuffled))) == tree.write_tree(blobs_of_module, entries(files))


@given(FILES, FILES)
@settings(max_examples=60, deadline=None)
def test_a_difference_tells_exactly_what_changed(blobs_of_module, before, after):
    diff = tree.diff(
        blobs_of_module,
        tree.write_tree(blobs_of_module, entries(before)),
        tree.write_tree(blobs_of_module, entries(after)),
    )
    assert {entry.path for entry in diff.added} == after.keys() - before.keys()
    assert {entry.path for entry in diff.removed} == before.keys() - after.keys()
    assert {new.path for _, new in diff.changed} == {p for p in before.keys() & after.keys() if before[p] != after[p]}


def test_an_edit_changes_one_shard_and_leaves_the_rest_shared(blobs_of_module):
    files = {f"images/{at:06d}.png": f"{at:064x}" for at in range(30_000)}
    first = tree.read_root(blobs_of_module, tree.write_tree(blobs_of_module, entries(files)))
    second = tree.read_root(
        blobs_of_module, tree.write_tree(blobs_of_module, entries(files | {"images/000100.png": "f" * 64}))
    )
    changed = {shard[3] for shard in second.shards} - {shard[3] for shard in first.shards}
    assert len(first.shards) > 3
    assert len(changed) == 1


def test_a_file_more_does_not_move_the_other_cuts(blobs_of_module):
    files = {f"images/{at:06d}.png": f"{at:064x}" for at in range(30_000)}
    first = tree.read_root(blobs_of_module, tree.write_tree(blobs_of_module, entries(files)))
    second = tree.read_root(
        blobs_of_module, tree.write_tree(blobs_of_module, entries(files | {"images/000000a.png": "f" * 64}))
    )
    assert len({shard[3] for shard in second.shards} & {shard[3] for shard in first.shards}) == len(first.shards) - 1


TRAVERSAL = [
    "", ".", "..", "/etc/passwd", "../x", "a/../b", "a/./b", "a//b", "a/", "/", "a\\b", "..\\x", "C:/x", "C:x",
    "a\x00b", "a\nb", "a\rb", "a\x1bb", "a\x7fb", "x" * 1025, "a/..", "name.", "name ", "a /b", "a./b", "\ud800",
    "e\u0301.txt", "file:x", "a/\u0000",
]  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSAL)
def test_a_path_that_could_leave_the_root_is_refused(path):
    with pytest.raises(Invalid):
        tree.checked_path(path)


@pytest.mark.parametrize("path", ["a", "a/b.c", "..a", "a..b", ".hidden", "ä/ö.txt", "日本/語", "a b/c d", "%2e%2e/x"])
def test_a_plain_path_is_taken_as_it_is(path):
    assert tree.checked_path(path) == path


@pytest.mark.parametrize("twice", [("a", "a"), ("A/b", "a/B"), ("ß", "SS")])
def test_a_path_stands_once_whatever_its_case(twice):
    with pytest.raises(Invalid, match="each path once"):
        tree.checked_entries(FileEntry(path, 1, "0" * 64) for path in twice)


def test_a_negative_size_is_refused():
    with pytest.raises(Invalid):
        tree.checked_entries([FileEntry("a", -1, "0" * 64)])


def test_a_tree_of_a_newer_format_is_refused_in_words(blobs_of_module):
    digest, _ = blobs_of_module.put([b'{"format":2,"file_count":0,"byte_count":0,"shards":[]}'])
    with pytest.raises(Invalid, match="Upgrade Helicline"):
        tree.read_root(blobs_of_module, digest)
