"""Uploads in parts: a client puts each part into the bucket by a signed URL, and the server makes a blob of them.

A blob is named by its content, so the server reads the parts once before it can name them. What is known of an upload
lies beside its parts in the bucket (`uploads/<id>/`): any server of the home can end what another one began.
See docs/decisions/0014-uploads-in-parts.md.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import msgspec
import obstore

from helicline.errors import Invalid, NotFound, TooLarge
from helicline.ids import new_run_id
from helicline.store.blobs import BucketBlobs

MOST_PARTS = 10_000
LIFETIME = timedelta(hours=6)
# an upload that nobody ended by then cannot be ended any more: its URLs have long expired
ABANDONED = timedelta(hours=24)
RANGE = 8 << 20
AHEAD = 4
FOLDER = "uploads"
NAME = "upload.json"
ID = re.compile(r"[0-9a-f]{32}")


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """What an upload is for; once its blob is kept, what came of it."""

    path: str
    part_count: int
    digest: str = ""
    size: int = 0


class PartUploads:
    """The uploads in parts of one bucket."""

    def __init__(self, blobs: BucketBlobs) -> None:
        self.blobs, self.store = blobs, blobs.store
        self._ending: dict[tuple[str, str], Future[tuple[str, int]]] = {}
        self._lock = threading.Lock()
        self._fetchers = ThreadPoolExecutor(AHEAD, thread_name_prefix="helicline-parts")

    def begin(self, path: str, part_count: int) -> tuple[str, list[str]]:
        """Return the new upload's id, and for each part the URL to PUT it to."""
        if not 1 <= part_count <= MOST_PARTS:
            raise Invalid("num_parts", part_count, f"1 to {MOST_PARTS}")
        upload_id = new_run_id()
        self._write_upload(upload_id, Upload(path=path, part_count=part_count))
        keys = [_part(upload_id, number) for number in range(1, part_count + 1)]
        return upload_id, self.blobs.signed("PUT", keys, lifetime=LIFETIME)

    def finish(
        self, upload_id: str, path: str, etags: Mapping[int, str], *, limit: int | None = None
    ) -> tuple[str, int]:
        """Return digest and size of the blob that the parts make; asked again, the same.

        Raises:
            NotFound: there is no such upload to this path.
            Invalid: a part is missing, or is not the one that the client put there.
            TooLarge: the parts are over `limit` bytes together; they are dropped.
        """
        key = (upload_id, path)
        with self._lock:
            future = self._ending.get(key)
            first = future is None
            if future is None:
                future = self._ending[key] = Future()
        if not first:  # a client that lost patience asks again while its first request is still at work
            return future.result()
        try:
            future.set_result(self._finished(upload_id, path, etags, limit))
        except BaseException as error:
            future.set_exception(error)
        finally:
            with self._lock:
                del self._ending[key]
        return future.result()

    def _finished(self, upload_id: str, path: str, etags: Mapping[int, str], limit: int | None) -> tuple[str, int]:
        upload = self._read_upload(upload_id, path)
        if upload.digest:
            return upload.digest, upload.size
        parts = self._checked(upload_id, upload, etags)
        size = sum(part["size"] for part in parts)
        if limit is not None and size > limit:
            self._drop(upload_id)
            raise TooLarge("parts", size, f"at most {limit} bytes together")
        digest, size = self.blobs.put(self._bytes_of(parts))
        self._write_upload(upload_id, msgspec.structs.replace(upload, digest=digest, size=size))
        obstore.delete(self.store, [part["path"] for part in parts])
        return digest, size

    def _checked(self, upload_id: str, upload: Upload, etags: Mapping[int, str]) -> list[Any]:
        """Return the parts in order, each as the client says it put it there."""
        present = {entry["path"].rpartition("/")[2]: entry for page in self._below(upload_id) for entry in page}
        parts = []
        for number in range(1, upload.part_count + 1):
            part = present.get(_name(number))
            if part is None or number not in etags:
                raise Invalid("parts", number, f"all {upload.part_count} parts, each uploaded before")
            sent_etag, stored_etag = etags[number].strip('"'), (part["e_tag"] or "").strip('"')
            if sent_etag and stored_etag and sent_etag != stored_etag:
                raise Invalid("parts", number, f"the part as it was uploaded, whose ETag is {stored_etag}")
            parts.append(part)
        return parts

    def _bytes_of(self, parts: Sequence[Any]) -> Iterator[bytes]:
        """Yield the parts' bytes in order, a few pieces fetched ahead: one stream of a bucket is slow."""
        waiting: deque[Future[bytes]] = deque()
        for part in parts:
            for start in range(0, part["size"], RANGE):
                end = min(start + RANGE, part["size"])
                waiting.append(self._fetchers.submit(self._fetch, part["path"], start, end))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _fetch(self, key: str, start: int, end: int) -> bytes:
        return bytes(obstore.get_range(self.store, key, start=start, end=end))

    def abort(self, upload_id: str, path: str) -> None:
        """Drop the upload and its parts; what it became already stays."""
        self._read_upload(upload_id, path)
        self._drop(upload_id)

    def _write_upload(self, upload_id: str, upload: Upload) -> None:
        obstore.put(self.store, f"{FOLDER}/{upload_id}/{NAME}", msgspec.json.encode(upload))

    def _read_upload(self, upload_id: str, path: str) -> Upload:
        if not ID.fullmatch(upload_id):
            raise NotFound("upload", upload_id[:100])
        try:
            body = bytes(obstore.get(self.store, f"{FOLDER}/{upload_id}/{NAME}").bytes())
        except FileNotFoundError:
            raise NotFound("upload", upload_id[:100]) from None
        upload = msgspec.json.decode(body, type=Upload)
        if upload.path != path:
            raise NotFound("upload", upload_id, "It was begun for another path.")
        return upload

    def _drop(self, upload_id: str) -> None:
        keys = [entry["path"] for page in self._below(upload_id) for entry in page]
        if keys:
            obstore.delete(self.store, keys)

    def _below(self, upload_id: str) -> Any:
        return obstore.list(self.store, f"{FOLDER}/{upload_id}")


def remove_abandoned(store: Any, now: datetime) -> int:
    """Drop what is left of uploads that nobody ended; return how many bytes went."""
    old = [entry for page in obstore.list(store, FOLDER) for entry in page if now - entry["last_modified"] > ABANDONED]
    if old:
        obstore.delete(store, [entry["path"] for entry in old])
    return sum(entry["size"] for entry in old)


def _name(number: int) -> str:
    return f"{number:05d}"


def _part(upload_id: str, number: int) -> str:
    return f"{FOLDER}/{upload_id}/{_name(number)}"
