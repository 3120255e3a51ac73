"""Blobs in a bucket that speaks S3."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import obstore
import pytest

from helicline.errors import NotFound
from helicline.store.blobs import MAX_SINGLE_UPLOAD, open_blobs
from helicline.store.uploads import PartUploads, remove_abandoned
from support.s3_bucket import backdate, bucket

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def address():
    with bucket() as url:
        yield url


def test_a_blob_is_read_by_another_machine_of_the_same_bucket(address, tmp_path):
    digest, _ = open_blobs(address, tmp_path / "a").put([b"one", b"two"])
    other = open_blobs(address, tmp_path / "b")
    assert other.has(digest)
    assert b"".join(other.read(digest)) == b"onetwo"


def test_a_blob_too_large_for_one_request_goes_in_pieces(address, tmp_path):
    pieces = [bytes([number]) * (1 << 20) for number in range((MAX_SINGLE_UPLOAD >> 20) + 2)]
    first = open_blobs(address, tmp_path / "a")
    digest, size = first.put(pieces)
    assert first.put(pieces) == (digest, size)
    assert sum(len(piece) for piece in open_blobs(address, tmp_path / "b").read(digest)) == size


def test_a_blob_that_is_not_there_is_not_found(address, tmp_path):
    with pytest.raises(NotFound):
        open_blobs(address, tmp_path / "a").read("0" * 64)


def yesterday():
    return datetime.now(UTC) - DAY


def test_a_blob_that_nobody_used_lately_can_be_discarded(address, tmp_path):
    blobs, other = open_blobs(address, tmp_path / "a"), open_blobs(address, tmp_path / "b")
    digest, _ = blobs.put([b"unused"])
    assert digest not in dict(blobs.unused(yesterday()))
    backdate(address, 2)
    assert dict(blobs.unused(yesterday()))[digest] == 6
    assert blobs.discard(digest, yesterday())
    assert not other.has(digest)
    assert other.put([b"unused"])[0] == digest
    assert other.has(digest)


@pytest.mark.parametrize("use", ["put", "has"])
def test_a_blob_that_was_used_again_is_spared(address, tmp_path, use):
    blobs, other = open_blobs(address, tmp_path / "a"), open_blobs(address, tmp_path / "b")
    digest, _ = blobs.put([use.encode()])
    backdate(address, 2)
    assert other.put([use.encode()])[0] == digest if use == "put" else other.has(digest)
    assert digest not in dict(blobs.unused(yesterday()))
    assert not blobs.discard(digest, yesterday())
    assert other.has(digest)


def test_what_comes_again_while_it_is_swept_is_there_afterwards(address, tmp_path):
    blobs, other = open_blobs(address, tmp_path / "a"), open_blobs(address, tmp_path / "b")
    contents = [f"again {number}".encode() for number in range(40)]
    digests = [blobs.put([content])[0] for content in contents]
    backdate(address, 2)
    with ThreadPoolExecutor(2) as pool:
        swept = pool.submit(lambda: [blobs.discard(digest, yesterday()) for digest in digests])
        put = pool.submit(lambda: [other.put([content]) for content in contents])
        swept.result(), put.result()
    assert [digest for digest in digests if not other.has(digest)] == []


def test_uploads_that_nobody_ended_are_swept(address, tmp_path):
    blobs = open_blobs(address, tmp_path / "a")
    obstore.put(blobs.store, "uploads/" + "a" * 32 + "/00001", b"12345")
    assert remove_abandoned(blobs.store, datetime.now(UTC)) == 0
    backdate(address, 2)
    PartUploads(blobs).begin("x", 1)
    assert remove_abandoned(blobs.store, datetime.now(UTC)) == 5


def test_old_marks_are_tidied(address, tmp_path):
    blobs = open_blobs(address, tmp_path / "a")
    blobs.has(blobs.put([b"marked"])[0])
    backdate(address, 40)
    blobs.tidy(yesterday())
    assert [entry for page in obstore.list(blobs.store, "used") for entry in page] == []
