"""Uploads in parts (note 0014): a client PUTs each part to a signed URL, and the server makes one blob of the parts.

A blob's name is the hash of its content, so the server reads all parts once. The state of an upload is an object
beside its parts in the bucket (`uploads/<id>/`): any server of the home can finish an upload that another one began.
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

MAX_PARTS = 10_000
URL_LIFETIME = timedelta(hours=6)
# an older upload cannot be finished: its URLs expired long ago
ABANDONED_AFTER = timedelta(hours=24)
RANGE_BYTES = 8 << 20
PREFETCH_COUNT = 4
FOLDER = "uploads"
STATE_FILE = "upload.json"
ID = re.compile(r"[0-9a-f]{32}")


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """The target of an upload and, once it is finished, its blob."""

    path: str
    part_count: int
    digest: str = ""
    size: int = 0


class PartUploads:
    """The uploads in parts of one bucket."""

    def __init__(self, blobs: BucketBlobs) -> None:
        self.blobs, self.store = blobs, blobs.store
        self._finishing: dict[tuple[str, str], Future[tuple[str, int]]] = {}
        self._lock = threading.Lock()
        self._fetchers = ThreadPoolExecutor(PREFETCH_COUNT, thread_name_prefix="helicline-parts")

    def begin(self, path: str, part_count: int) -> tuple[str, list[str]]:
        """Return the new upload's id, and the URL to PUT each part to."""
        if not 1 <= part_count <= MAX_PARTS:
            raise Invalid("num_parts", part_count, f"1 to {MAX_PARTS}")
        upload_id = new_run_id()
        self._write_upload(upload_id, Upload(path=path, part_count=part_count))
        keys = [_part_key(upload_id, number) for number in range(1, part_count + 1)]
        return upload_id, self.blobs.signed("PUT", keys, lifetime=URL_LIFETIME)

    def finish(
        self, upload_id: str, path: str, etags: Mapping[int, str], *, limit: int | None = None
    ) -> tuple[str, int]:
        """Return digest and size of the blob made of the parts; a repeated call returns the same.

        Raises:
            NotFound: there is no such upload to this path.
            Invalid: a part is missing, or differs from the one that the client uploaded.
            TooLarge: the parts exceed `limit` bytes together; they are deleted.
        """
        key = (upload_id, path)
        with self._lock:
            future = self._finishing.get(key)
            is_first = future is None
            if future is None:
                future = self._finishing[key] = Future()
        if not is_first:  # after a timeout a client repeats the call while its first call is still running
            return future.result()
        try:
            future.set_result(self._finish(upload_id, path, etags=etags, limit=limit))
        except BaseException as error:
            future.set_exception(error)
        finally:
            with self._lock:
                del self._finishing[key]
        return future.result()

    def _finish(self, upload_id: str, path: str, *, etags: Mapping[int, str], limit: int | None) -> tuple[str, int]:
        upload = self._read_upload(upload_id, path)
        if upload.digest:
            return upload.digest, upload.size
        parts = self._checked_parts(upload_id, upload, etags)
        size = sum(part["size"] for part in parts)
        if limit is not None and size > limit:
            self._drop(upload_id)
            raise TooLarge("parts", size, f"at most {limit} bytes together")
        digest, size = self.blobs.put(self._bytes_of(parts))
        self._write_upload(upload_id, msgspec.structs.replace(upload, digest=digest, size=size))
        obstore.delete(self.store, [part["path"] for part in parts])
        return digest, size

    def _checked_parts(self, upload_id: str, upload: Upload, etags: Mapping[int, str]) -> list[Any]:
        """Return the parts in order. Raises Invalid where one is missing or its ETag differs from the client's."""
        present = {entry["path"].rpartition("/")[2]: entry for page in self._list(upload_id) for entry in page}
        parts = []
        for number in range(1, upload.part_count + 1):
            part = present.get(_part_name(number))
            if part is None or number not in etags:
                raise Invalid("parts", number, f"all {upload.part_count} parts, each uploaded before")
            sent_etag, stored_etag = etags[number].strip('"'), (part["e_tag"] or "").strip('"')
            if sent_etag and stored_etag and sent_etag != stored_etag:
                raise Invalid("parts", number, f"the part as it was uploaded, whose ETag is {stored_etag}")
            parts.append(part)
        return parts

    def _bytes_of(self, parts: Sequence[Any]) -> Iterator[bytes]:
        """Yield the parts' bytes in order, with a few ranges fetched ahead: a single stream from a bucket is slow."""
        pending: deque[Future[bytes]] = deque()
        for part in parts:
            for start in range(0, part["size"], RANGE_BYTES):
                end = min(start + RANGE_BYTES, part["size"])
                pending.append(self._fetchers.submit(self._fetch, part["path"], start, end))
                if len(pending) > PREFETCH_COUNT:
                    yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()

    def _fetch(self, key: str, start: int, end: int) -> bytes:
        return bytes(obstore.get_range(self.store, key, start=start, end=end))

    def abort(self, upload_id: str, path: str) -> None:
        """Delete the upload and its parts; a finished blob stays."""
        self._read_upload(upload_id, path)
        self._drop(upload_id)

    def _write_upload(self, upload_id: str, upload: Upload) -> None:
        obstore.put(self.store, f"{FOLDER}/{upload_id}/{STATE_FILE}", msgspec.json.encode(upload))

    def _read_upload(self, upload_id: str, path: str) -> Upload:
        if not ID.fullmatch(upload_id):
            raise NotFound("upload", upload_id[:100])
        try:
            body = bytes(obstore.get(self.store, f"{FOLDER}/{upload_id}/{STATE_FILE}").bytes())
        except FileNotFoundError:
            raise NotFound("upload", upload_id[:100]) from None
        upload = msgspec.json.decode(body, type=Upload)
        if upload.path != path:
            raise NotFound("upload", upload_id, "It was begun for another path.")
        return upload

    def _drop(self, upload_id: str) -> None:
        keys = [entry["path"] for page in self._list(upload_id) for entry in page]
        if keys:
            obstore.delete(self.store, keys)

    def _list(self, upload_id: str) -> Any:
        return obstore.list(self.store, f"{FOLDER}/{upload_id}")


def remove_abandoned(store: Any, now: datetime) -> int:
    """Delete uploads that were not finished in time; return the number of freed bytes."""
    old = [
        entry
        for page in obstore.list(store, FOLDER)
        for entry in page
        if now - entry["last_modified"] > ABANDONED_AFTER
    ]
    if old:
        obstore.delete(store, [entry["path"] for entry in old])
    return sum(entry["size"] for entry in old)


def _part_name(number: int) -> str:
    return f"{number:05d}"


def _part_key(upload_id: str, number: int) -> str:
    return f"{FOLDER}/{upload_id}/{_part_name(number)}"
