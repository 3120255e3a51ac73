"""Blobs in a bucket that speaks S3."""

import pytest

from bucket import bucket
from helicline.errors import NotFound
from helicline.store.blobs import WHOLE, open_blobs


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
    pieces = [bytes([number]) * (1 << 20) for number in range((WHOLE >> 20) + 2)]
    first = open_blobs(address, tmp_path / "a")
    digest, size = first.put(pieces)
    assert first.put(pieces) == (digest, size)
    assert sum(len(piece) for piece in open_blobs(address, tmp_path / "b").read(digest)) == size


def test_a_blob_that_is_not_there_is_not_found(address, tmp_path):
    with pytest.raises(NotFound):
        open_blobs(address, tmp_path / "a").read("0" * 64)
