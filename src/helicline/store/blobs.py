"""Bytes by their content: a blob's name is the BLAKE3-256 of what it holds, so it can never change.

Local folders are written tmp -> fsync -> rename -> fsync of the folder; buckets (S3, GCS, Azure) through obstore with
create-only puts. A blob is named in the database only after it is durable here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import obstore
from blake3 import blake3

from helicline.errors import Invalid, NotFound, StorageFull, TooLarge, Unavailable
from helicline.store.durable import make_folder, sync

CHUNK = 1 << 20


class Blobs(Protocol):
    """Where blobs are kept."""

    def put(self, chunks: Iterable[bytes], *, limit: int | None = None) -> tuple[str, int]: ...
    def has(self, digest: str) -> bool: ...
    def read(self, digest: str) -> Iterator[bytes]: ...
    def path(self, digest: str) -> Path: ...


def checked_digest(digest: str) -> str:
    """Return `digest` if it is 64 lowercase hex digits. Raises Invalid otherwise."""
    if len(digest) != 64 or not all(character in "0123456789abcdef" for character in digest):
        raise Invalid("digest", digest, "64 lowercase hex digits (BLAKE3-256)")
    return digest


class LocalBlobs:
    """Blobs in a folder: `blobs/<2 hex>/<64 hex>`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_folder(folder)
        (folder / "tmp").mkdir(exist_ok=True)
        self._landing: set[str] = set()
        self._settled: set[str] = set()

    def put(self, chunks: Iterable[bytes], *, limit: int | None = None) -> tuple[str, int]:
        """Keep the bytes and return their digest and size. Raises Invalid over `limit` bytes, StorageFull."""
        try:
            return self._put(chunks, limit)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise StorageFull("the blob store", str(error), "Free some space and send it again.") from None
            if error.errno in (errno.EIO, errno.EROFS):
                raise Unavailable("the blob store", str(error), "Look after its disk, and send it again.") from None
            raise

    def _put(self, chunks: Iterable[bytes], limit: int | None) -> tuple[str, int]:
        hasher, size = blake3(), 0
        handle, name = tempfile.mkstemp(dir=self.folder / "tmp")
        try:
            with os.fdopen(handle, "wb") as out:
                for chunk in chunks:
                    size += len(chunk)
                    if limit is not None and size > limit:
                        raise TooLarge("body", f"more than {limit} bytes", f"at most {limit} bytes")
                    hasher.update(chunk)
                    out.write(chunk)
                out.flush()
                os.fsync(out.fileno())
            digest = hasher.hexdigest()
            target = self.path(digest)
            if not self.has(digest):
                self._rename(Path(name), target)
            return digest, size
        finally:
            Path(name).unlink(missing_ok=True)

    def _rename(self, source: Path, target: Path) -> None:
        digest = target.name
        target.parent.mkdir(exist_ok=True)
        os.chmod(source, 0o444)
        self._landing.add(digest)
        try:
            os.rename(source, target)
            self._settle(target.parent)
        except OSError:  # the name may be there, and not be sure
            self._settled.discard(target.parent.name)
            raise
        finally:
            self._landing.discard(digest)

    def _settle(self, folder: Path) -> None:
        """Make the folder's names sure, and its own."""
        sync(folder)
        if folder.name not in self._settled:
            sync(self.folder)
            self._settled.add(folder.name)

    def has(self, digest: str) -> bool:
        """Return whether the blob is here to stay.

        One whose name may not be on the disk yet (its writer is at it, was killed there, or its sync failed) is made
        sure of: whoever hears that it is here will not send it again.
        """
        target = self.path(digest)
        if not target.is_file():
            return False
        if digest in self._landing or target.parent.name not in self._settled:
            self._settle(target.parent)
        return True

    def read(self, digest: str) -> Iterator[bytes]:
        """Yield the bytes in pieces. Raises NotFound before the first piece where there is no such blob."""
        path = self.path(digest)
        if not path.is_file():
            raise NotFound("blob", digest)
        return _pieces(path)

    def path(self, digest: str) -> Path:
        """Return where the blob lies (or would lie) as a local file."""
        return self.folder / checked_digest(digest)[:2] / digest


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece


class BucketBlobs:
    """Blobs in a bucket, with a local folder as cache and staging place."""

    def __init__(self, url: str, cache: Path) -> None:
        self.store = obstore.store.from_url(url)
        self.cache = LocalBlobs(cache)

    def _key(self, digest: str) -> str:
        return f"blobs/{checked_digest(digest)[:2]}/{digest}"

    def put(self, chunks: Iterable[bytes], *, limit: int | None = None) -> tuple[str, int]:
        digest, size = self.cache.put(chunks, limit=limit)
        # where the key exists already it holds these very bytes, because it is their hash
        with contextlib.suppress(obstore.exceptions.AlreadyExistsError):
            obstore.put(self.store, self._key(digest), self.cache.path(digest), mode="create", use_multipart=False)
        return digest, size

    def has(self, digest: str) -> bool:
        try:
            obstore.head(self.store, self._key(digest))
        except FileNotFoundError:
            return False
        return True

    def read(self, digest: str) -> Iterator[bytes]:
        self.path(digest)
        return self.cache.read(digest)

    def path(self, digest: str) -> Path:
        if not self.cache.has(digest):
            try:
                pieces = obstore.get(self.store, self._key(digest)).stream(min_chunk_size=CHUNK)
            except FileNotFoundError:
                raise NotFound("blob", digest) from None
            got, _ = self.cache.put(bytes(piece) for piece in pieces)
            if got != digest:
                raise Invalid("blob", got, f"bytes whose BLAKE3 is {digest}", "The bucket's copy is damaged.")
        return self.cache.path(digest)


def open_blobs(url: str, home: Path) -> Blobs:
    """Return the blob store of `url`: a bucket, or the home's own folder where it is empty."""
    if "://" in url:
        return BucketBlobs(url, home / "blobs")
    return LocalBlobs(Path(url) if url else home / "blobs")
