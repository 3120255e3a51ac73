"""The blob store: a blob's name is the BLAKE3-256 digest of its bytes, so it never changes.

Local files are written by temporary file, fsync, rename and fsync of the folder (note 0017); buckets (S3, GCS, Azure)
by obstore with create-only puts. The database refers to a blob only after the blob is durable.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

import obstore
from blake3 import blake3

from helicline.errors import Invalid, NotFound, StorageFull, TooLarge, Unavailable
from helicline.store.blob_markers import BlobMarkers
from helicline.store.durable import make_folder, sync

CHUNK = 1 << 20
REMOVED_PREFIX = "discarded-"
# a larger blob is uploaded in parts: a single upload must fit into memory, and S3 allows 5 GB at most
MAX_SINGLE_UPLOAD = 64 << 20
PART_BYTES, PARALLEL_PARTS = 16 << 20, 4
SIGNING_STORES = (obstore.store.S3Store, obstore.store.GCSStore, obstore.store.AzureStore)


class Blobs(Protocol):
    """A blob store, local or in a bucket; `LocalBlobs` documents each method."""

    def put(self, chunks: Iterable[bytes], *, limit: int | None = None) -> tuple[str, int]: ...
    def has(self, digest: str) -> bool: ...
    def read(self, digest: str, part: range | None = None) -> Iterator[bytes]: ...
    def path(self, digest: str) -> Path: ...
    def unused(self, since: datetime) -> Iterator[tuple[str, int]]: ...
    def discard(self, digest: str, since: datetime) -> bool: ...
    def tidy(self, since: datetime) -> int: ...


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
        self._being_written: set[str] = set()
        self._synced_folders: set[str] = set()
        self._restore_removed()

    def put(self, chunks: Iterable[bytes], *, limit: int | None = None) -> tuple[str, int]:
        """Store the bytes and return their digest and size. Raises TooLarge over `limit` bytes, and StorageFull."""
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
        self._being_written.add(digest)
        try:
            os.rename(source, target)
            self._sync_names(target.parent)
        except OSError:  # the file has its new name, but the name may not be on the disk
            self._synced_folders.discard(target.parent.name)
            raise
        finally:
            self._being_written.discard(digest)

    def _sync_names(self, folder: Path) -> None:
        """Sync the folder, and the first time its parent too, so that the names survive a power cut."""
        sync(folder)
        if folder.name not in self._synced_folders:
            sync(self.folder)
            self._synced_folders.add(folder.name)

    def has(self, digest: str) -> bool:
        """Return whether the blob exists, and record that it is used now, so that `unused` leaves it out for a while.

        First syncs the folder where the blob's name may not be on the disk yet (its writer is active, was killed, or
        its sync failed): a client that learns that the blob exists does not send it again.
        """
        target = self.path(digest)
        if not _touch(target):
            return False
        if digest in self._being_written or target.parent.name not in self._synced_folders:
            self._sync_names(target.parent)
        return True

    def unused(self, since: datetime) -> Iterator[tuple[str, int]]:
        """Yield digest and size of each blob that was neither stored nor checked by `has` since then."""
        for folder in sorted(self.folder.glob("[0-9a-f][0-9a-f]")):
            for entry in os.scandir(folder):
                status = entry.stat()
                if status.st_mtime < since.timestamp():
                    yield entry.name, status.st_size

    def discard(self, digest: str, since: datetime) -> bool:
        """Remove the blob unless it was used since then; return whether it is removed.

        From the first step on `has` returns False, so that no client relies on a blob that is being removed.
        """
        path, removed = self.path(digest), self.folder / "tmp" / f"{REMOVED_PREFIX}{digest}"
        try:
            os.rename(path, removed)
        except FileNotFoundError:
            return False
        if removed.stat().st_mtime >= since.timestamp():
            os.rename(removed, path)
            return False
        removed.unlink()
        return True

    def _restore_removed(self) -> None:
        """Restore the blobs of interrupted removals, which may have been used since."""
        for removed in (self.folder / "tmp").glob(f"{REMOVED_PREFIX}*"):
            path = self.path(removed.name.removeprefix(REMOVED_PREFIX))
            path.parent.mkdir(exist_ok=True)
            os.rename(removed, path)

    def tidy(self, since: datetime) -> int:
        """Delete temporary files of uploads that were interrupted before then; return the number of freed bytes."""
        freed_bytes = 0
        for partial in (self.folder / "tmp").iterdir():
            status = partial.stat()
            if status.st_mtime < since.timestamp():
                partial.unlink(missing_ok=True)
                freed_bytes += status.st_size
        return freed_bytes

    def read(self, digest: str, part: range | None = None) -> Iterator[bytes]:
        """Yield the bytes, or those at the positions `part`, in pieces.

        Raises NotFound, before the first piece, where the blob does not exist.
        """
        path = self.path(digest)
        if not path.is_file():
            raise NotFound("blob", digest)
        return _pieces(path, range(path.stat().st_size) if part is None else part)

    def path(self, digest: str) -> Path:
        """Return the path of the blob as a local file, whether it exists or not."""
        return self.folder / checked_digest(digest)[:2] / digest


def _touch(path: Path) -> bool:
    """Set the file's time to now; return False where the file does not exist."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _pieces(path: Path, part: range) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(part.start)
        remaining = len(part)
        while remaining and (piece := file.read(min(CHUNK, remaining))):
            remaining -= len(piece)
            yield piece


class BucketBlobs:
    """Blobs in a bucket; a local folder holds uploads in progress and a cache."""

    def __init__(self, url: str, cache: Path) -> None:
        self.store: Any = obstore.store.from_url(url)
        self.cache, self.markers = LocalBlobs(cache), BlobMarkers(self.store)

    def _key(self, digest: str) -> str:
        return f"blobs/{checked_digest(digest)[:2]}/{digest}"

    def put(self, chunks: Iterable[bytes], *, limit: int | None = None) -> tuple[str, int]:
        digest, size = self.cache.put(chunks, limit=limit)
        # garbage collection may remove the blob at this moment; then upload it again
        while not self._upload(digest, size) and not self.has(digest):
            pass
        return digest, size

    def _upload(self, digest: str, size: int) -> bool:
        """Upload the blob; return False where its key exists already, with the same bytes."""
        key, path = self._key(digest), self.cache.path(digest)
        if size > MAX_SINGLE_UPLOAD:
            if self._head(digest) is not None:
                return False
            obstore.put(self.store, key, path, chunk_size=PART_BYTES, max_concurrency=PARALLEL_PARTS)
            return True
        try:
            obstore.put(self.store, key, path, mode="create", use_multipart=False)
        except obstore.exceptions.AlreadyExistsError:
            return False
        return True

    def _head(self, digest: str) -> Any:
        try:
            return obstore.head(self.store, self._key(digest))
        except FileNotFoundError:
            return None

    def has(self, digest: str) -> bool:
        """As `LocalBlobs.has`."""
        if self._head(digest) is None:
            return False
        self.markers.mark_used(digest)
        self.markers.wait_for_removals(digest)
        return self._head(digest) is not None

    def unused(self, since: datetime) -> Iterator[tuple[str, int]]:
        """As `LocalBlobs.unused`."""
        used = self.markers.all_used(since)
        for page in obstore.list(self.store, "blobs"):
            for entry in page:
                digest = entry["path"].rpartition("/")[2]
                if entry["last_modified"] < since and digest not in used:
                    yield digest, entry["size"]

    def discard(self, digest: str, since: datetime) -> bool:
        """As `LocalBlobs.discard`."""
        with self.markers.removal(digest):
            metadata = self._head(digest)
            if metadata is None or metadata["last_modified"] >= since or self.markers.is_used(digest, since):
                return False
            obstore.delete(self.store, self._key(digest))
        self.cache.discard(digest, since)
        return True

    def tidy(self, since: datetime) -> int:
        """As `LocalBlobs.tidy`."""
        self.markers.tidy(since)
        return self.cache.tidy(since)

    def read(self, digest: str, part: range | None = None) -> Iterator[bytes]:
        """As `LocalBlobs.read`."""
        self.path(digest)
        return self.cache.read(digest, part)

    def path(self, digest: str) -> Path:
        if not self.cache.has(digest):
            try:
                pieces = obstore.get(self.store, self._key(digest)).stream(min_chunk_size=CHUNK)
            except FileNotFoundError:
                raise NotFound("blob", digest) from None
            stored_digest, _ = self.cache.put(bytes(piece) for piece in pieces)
            if stored_digest != digest:
                raise Invalid("blob", stored_digest, f"bytes whose BLAKE3 is {digest}", "The bucket's copy is damaged.")
        return self.cache.path(digest)

    @property
    def can_sign(self) -> bool:
        """Whether this kind of bucket has signed URLs, by which clients read and write directly."""
        return isinstance(self.store, SIGNING_STORES)

    def signed(self, method: Literal["GET", "PUT"], keys: Sequence[str], *, lifetime: timedelta) -> list[str]:
        """Return a signed URL for each key, valid for `method` until it expires."""
        return list(obstore.sign(self.store, method, list(keys), lifetime))

    def signed_blob(self, digest: str, lifetime: timedelta) -> str:
        """Return a signed URL to read the blob."""
        return self.signed("GET", [self._key(digest)], lifetime=lifetime)[0]

    @property
    def upload_headers(self) -> dict[str, str]:
        """Headers that a PUT to a signed URL must have."""
        return {"x-ms-blob-type": "BlockBlob"} if isinstance(self.store, obstore.store.AzureStore) else {}


def open_blobs(url: str, home: Path) -> Blobs:
    """Return the blob store at `url`, a bucket or a folder; the folder in the home where `url` is empty."""
    if "://" in url:
        return BucketBlobs(url, home / "blobs")
    return LocalBlobs(Path(url) if url else home / "blobs")
