"""A model's files: fetched once as a tar stream, unpacked safely, stored under their digest."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

import httpx
import msgspec
import yaml

from helicline.content_hash import content_digest, file_hash, hashed_files
from helicline.errors import Invalid, Unavailable
from helicline.ids import new_run_id
from helicline.records.deployment import RevisionSpec
from helicline.store import durable

_log = logging.getLogger("helicline.gateway")
_NAME_ERRORS = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)


async def fetch(client: httpx.AsyncClient, order: RevisionSpec, *, models: Path) -> Path:
    """Return the folder of the order's model files, fetching them if they are not here.

    Raises:
        Unavailable: the server does not answer, now.
        Invalid: the answer is not a model's files.
    """
    if order.digest.startswith(".") or "/" in order.digest or not order.digest:
        raise Invalid("digest", order.digest, "a name that can be a file's")
    folder = models / order.digest
    if folder.is_dir():
        if await asyncio.to_thread(_is_intact, folder, order.digest):
            return folder
        _log.warning("the files of %s/%d have changed here and are fetched again", order.model, order.model_version)
        await asyncio.to_thread(_set_aside, folder)
    await asyncio.to_thread(models.mkdir, parents=True, exist_ok=True)
    stem = models / f".{order.digest}.{new_run_id()[:8]}"
    packed, partial = stem.with_name(stem.name + ".tar"), stem.with_name(stem.name + ".tmp")
    try:
        await _download(client, order.archive_path, target=packed)
        await asyncio.to_thread(unpack, packed, partial)
        await asyncio.to_thread(_verify, partial, folder, digest=order.digest)
        await asyncio.to_thread(durable.sync_tree, partial)  # a folder that exists is taken as complete
        _publish(partial, folder)
    finally:
        packed.unlink(missing_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _verify(partial: Path, folder: Path, *, digest: str) -> None:
    """Check that the files are those that were registered, and keep the list of them beside the folder."""
    files = hashed_files(partial)
    if content_digest(files) != digest:
        raise Invalid("model files", f"digest {content_digest(files)}", f"the digest {digest} that was registered")
    durable.write(_list_of(folder), msgspec.json.encode(files))


def _is_intact(folder: Path, digest: str) -> bool:
    """Return whether every file of the model is as it was registered; what a worker has added there does not count."""
    try:
        files = msgspec.json.decode(_list_of(folder).read_bytes(), type=list[tuple[str, str]])
    except FileNotFoundError:  # fetched by an earlier release
        return content_digest(hashed_files(folder)) == digest
    except (OSError, msgspec.MsgspecError):
        return False
    return content_digest(files) == digest and all(
        (folder / path).is_file() and file_hash(folder / path) == known_hash for path, known_hash in files
    )


def _list_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.files.json")


def _set_aside(folder: Path) -> None:
    """Remove a folder in a way that never leaves a part of it under its name."""
    aside = folder.with_name(f".{folder.name}.{new_run_id()[:8]}.old")
    folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


async def _download(client: httpx.AsyncClient, path: str, *, target: Path) -> None:
    try:
        async with client.stream("GET", path, timeout=httpx.Timeout(60.0, connect=5.0)) as response:
            if response.status_code != 200:
                text = (await response.aread()).decode(errors="replace")[:300]
                raise Unavailable("The model's archive", f"{path} answered {response.status_code}: {text}")
            with target.open("wb") as stream:
                async for chunk in response.aiter_bytes(1 << 20):
                    stream.write(chunk)
    except httpx.HTTPError as error:
        raise Unavailable("The model's archive", f"{path}: {type(error).__name__} {error}") from None


def _publish(partial: Path, folder: Path) -> None:
    try:
        os.replace(partial, folder)
    except OSError:
        if not folder.is_dir():
            raise


def unpack(packed: Path, target: Path) -> None:
    """Unpack an uncompressed tar of plain files and folders into `target`.

    Raises:
        Invalid: it is damaged, has no MLmodel, or holds a link, a device or a path that leads outside.
    """
    try:
        with tarfile.open(packed, "r:") as archive:
            for member in archive:
                _unpack_member(archive, member, target=target)
    except tarfile.TarError as error:
        raise Invalid("archive", str(error), "an uncompressed tar") from None
    if not (target / "MLmodel").is_file():
        raise Invalid("archive", "no file MLmodel", "the folder of a saved MLflow model")


def _unpack_member(archive: tarfile.TarFile, member: tarfile.TarInfo, *, target: Path) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\\" in member.name or "\0" in member.name:
        raise Invalid("archive member", member.name, "a relative path inside the model's folder")
    path = target / name
    # a sparse file may be a few bytes here and fill the disk once its holes are written
    stream = archive.extractfile(member) if member.isreg() and not member.issparse() else None
    if stream is None and not member.isdir():
        raise Invalid("archive member", member.name, "a plain file or folder (no links, no devices, no sparse files)")
    try:
        (path.parent if stream else path).mkdir(parents=True, exist_ok=True)
        if stream is not None:
            with path.open("xb") as output:
                shutil.copyfileobj(stream, output, 1 << 20)
    except OSError as error:
        if error.errno not in _NAME_ERRORS:
            raise
        raise Invalid("archive member", member.name, "a name that no other member has, of usual length") from None


def read_mlmodel(folder: Path) -> dict[str, Any]:
    """Return the parsed MLmodel file; only YAML's own types, so that no code runs.

    Raises:
        Invalid: the file is not YAML or not a mapping.
    """
    try:
        parsed = yaml.safe_load((folder / "MLmodel").read_text())
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise Invalid("MLmodel", str(error)[:500], "the YAML file of a saved MLflow model") from None
    if not isinstance(parsed, dict):
        raise Invalid("MLmodel", type(parsed).__name__, "a YAML mapping")
    return parsed
