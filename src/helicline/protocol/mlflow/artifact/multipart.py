"""Artifacts directly from and to the bucket: the client PUTs parts to signed URLs, and downloads by signed URLs.

Where blobs are local files, or the setting `presigned` is off, every route answers as the stock server does without
such a bucket; the client then uses the routes of `files`. See note 0014.
"""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

from helicline import tracking
from helicline.protocol.mlflow.artifact.files import check_may_put, find, put_unfrozen
from helicline.protocol.mlflow.errors import WireError
from helicline.protocol.mlflow.fields import Fields
from helicline.protocol.mlflow.request import Request, non_empty
from helicline.settings import Settings
from helicline.store.blobs import Blobs, BucketBlobs
from helicline.store.uploads import PartUploads
from helicline.tracking.artifact import path_in_store
from helicline.tracking.checks import checked_path

# the client downloads a large file by many requests, each with this URL
DOWNLOAD_URL_LIFETIME = timedelta(minutes=15)
MAX_LIFETIME_S = 7 * 24 * 3600


def uploads_of(blobs: Blobs, settings: Settings) -> PartUploads | None:
    """Return the uploads in parts, or None where clients have no direct access to the bucket."""
    if settings.presigned and isinstance(blobs, BucketBlobs) and blobs.can_sign:
        return PartUploads(blobs)
    return None


def _uploads(request: Request, action: str) -> PartUploads:
    if request.uploads is None:
        raise WireError("NOT_IMPLEMENTED", f"{action} is not supported for the current artifact repository")
    return request.uploads


def _artifact_path(request: Request) -> str:
    """Return the artifact's path: the folder in the URL, and the file name of the client's local path."""
    name = re.split(r"[/\\]", request.fields.required("path"))[-1]
    return checked_path("path", f"{request.parts['path'].strip('/')}/{name}")


async def create(request: Request) -> Any:
    uploads = _uploads(request, "Multipart upload")
    path, count = _artifact_path(request), request.fields.integer("num_parts", 1) or 0
    await request.read(lambda tx: check_may_put(tx, path))
    upload_id, urls = await asyncio.to_thread(uploads.begin, path, count)
    headers = uploads.blobs.upload_headers
    return {
        "upload_id": upload_id,
        "credentials": [
            non_empty(url=url, part_number=number, headers=headers) for number, url in enumerate(urls, start=1)
        ],
    }


def _etag(fields: Fields) -> tuple[int, str]:
    return fields.integer("part_number") or 0, fields.text("etag")


async def complete(request: Request) -> Any:
    """Make one blob of the parts and record the artifact; a repeated call gets the same answer."""
    uploads = _uploads(request, "Multipart upload")
    path, upload_id = _artifact_path(request), request.fields.required("upload_id")
    etags, limit = dict(request.fields.list_of("parts", _etag)), request.settings.max_upload_bytes
    digest, size = await asyncio.to_thread(uploads.finish, upload_id, path, etags, limit=limit)
    await request.write(lambda tx: put_unfrozen(tx, path, digest=digest, size=size))
    return {}


async def abort(request: Request) -> Any:
    uploads = _uploads(request, "Multipart upload")
    await asyncio.to_thread(uploads.abort, request.fields.required("upload_id"), _artifact_path(request))
    return {}


async def presigned(request: Request) -> Any:
    uploads = _uploads(request, "Multipart download")
    path = checked_path("path", request.parts["path"])
    file = await request.read(lambda tx: find(tx, path))
    return {"url": uploads.blobs.signed_blob(file.hash, DOWNLOAD_URL_LIFETIME), "headers": {}, "file_size": file.size}


async def upload_url(request: Request) -> Any:
    """Reject the request: the server would not learn that such an upload has ended, and could not record it."""
    fields = request.fields
    run_id, model_id, path = fields.text("run_id"), fields.text("model_id"), fields.required("path")
    if bool(run_id) == bool(model_id):
        raise WireError("INVALID_PARAMETER_VALUE", "Exactly one of run_id and model_id must be provided.")
    checked_path("path", path)
    await request.read(lambda tx: tracking.get_run(tx, run_id) if run_id else tracking.get_logged_model(tx, model_id))
    raise WireError("INVALID_PARAMETER_VALUE", "Presigned upload is not supported for proxied artifact storage.")


async def download_url(request: Request) -> Any:
    """Answer a signed URL of one file of a run."""
    fields = request.fields
    run_id, path = fields.required("run_id"), checked_path("path", fields.required("path"))
    seconds = fields.integer("expiration", int(DOWNLOAD_URL_LIFETIME.total_seconds())) or 0
    if not 1 <= seconds <= MAX_LIFETIME_S:
        message = f"expiration must be between 1 and {MAX_LIFETIME_S} seconds (got {seconds})."
        raise WireError("INVALID_PARAMETER_VALUE", message)
    run = await request.read(lambda tx: tracking.get_run(tx, run_id))
    root = path_in_store(run.artifact_uri)
    if request.uploads is None or root is None:
        message = "Presigned download is not supported for runs with proxied artifact storage."
        raise WireError("INVALID_PARAMETER_VALUE", message)
    file = await request.read(lambda tx: find(tx, f"{root}/{path}"))
    url = request.uploads.blobs.signed_blob(file.hash, timedelta(seconds=seconds))
    return {"presigned_url": url, "file_size": file.size}
