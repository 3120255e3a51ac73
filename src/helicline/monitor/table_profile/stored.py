"""Profiles by content: read where one was stored, otherwise computed apart while the caller asks again."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import msgspec

from helicline.data import tree, versions
from helicline.errors import HeliclineError, Invalid, Unavailable
from helicline.monitor.table_profile.columns import TableProfile
from helicline.monitor.table_profile.process import profile_apart
from helicline.records.dataset import DatasetVersion
from helicline.records.table import TableFacts
from helicline.store import durable
from helicline.store.blobs import Blobs
from helicline.tables.inspect import LocalFile
from helicline.tables.names import kind_of

log = logging.getLogger("helicline.profile")
FORMAT = 1  # of the stored profiles; those of another one are computed again
FOLDER = "profiles"
_ONE_AT_A_TIME = threading.Semaphore(1)


class _Job:
    """A profile that is being computed, or the error that it ended with."""

    error: HeliclineError | None = None


_LOCK = threading.Lock()
_JOBS: dict[Path, _Job] = {}


def checked_table(version: DatasetVersion) -> DatasetVersion:
    """Return the version. Raises Invalid where it is no table."""
    if not is_table(version):
        files = "1 file that is" if version.file_count == 1 else f"{version.file_count} files that are"
        allowed = "a version with tables (Parquet, CSV, JSON lines, Arrow), committed without --as-files"
        raise Invalid(f"dataset {version.ref}", f"{files} no table", allowed, f"Its files: hl data files {version.ref}")
    return version


def is_table(version: DatasetVersion) -> bool:
    """Tell whether a version is a table; of one of before that was recorded, whether its rows were counted."""
    return bool(version.table) or (version.kind == "" and version.row_count is not None)


def find(home: Path, blobs: Blobs, version: DatasetVersion) -> TableProfile | None:
    """Return the profile of a version that is a table; None while it is computed, which the first caller begins.

    Raises:
        HeliclineError: it could not be computed. That is said once; who asks again begins it again.
    """
    path = home / FOLDER / f"format-{FORMAT}" / version.root_hash[:2] / version.root_hash
    with _LOCK:
        job = _JOBS.get(path)
        if job is None:
            if path.is_file():
                return msgspec.msgpack.decode(path.read_bytes(), type=TableProfile)
            _JOBS[path] = job = _Job()
            # a daemon, so that a server that stops does not wait for it; its process ends with it
            arguments = {"path": path, "blobs": blobs, "version": version}
            threading.Thread(target=_compute, args=(job,), kwargs=arguments, daemon=True).start()
        elif job.error is not None:
            del _JOBS[path]
            raise job.error
    return None


def _compute(job: _Job, *, path: Path, blobs: Blobs, version: DatasetVersion) -> None:
    """Compute a profile and store it, or leave its error to the next who asks."""
    try:
        with _ONE_AT_A_TIME:
            computed = profile_apart(*_table_of(blobs, version))
        durable.make_folder(path.parent)
        durable.write(path, msgspec.msgpack.encode(computed))
    except HeliclineError as error:
        job.error = error
    except Exception:
        log.exception("the profile of %s", version.ref)
        job.error = Unavailable(f"the profile of {version.ref}", "an error of the server", "See logs/server.log.")
    else:
        with _LOCK:
            del _JOBS[path]


def _table_of(blobs: Blobs, version: DatasetVersion) -> tuple[list[LocalFile], TableFacts | None]:
    """Return the files of a version's table, and how they are read where that was recorded."""
    facts = versions.read_facts(blobs, version)
    if facts is not None:
        return [LocalFile(file.path, file.hash, str(blobs.path(file.hash))) for file in facts.files], facts
    tables = [entry for entry in tree.read_tree(blobs, version.root_hash) if kind_of(entry.path)]
    if not tables:
        raise Invalid(f"dataset {version.ref}", f"{version.file_count} files", "at least one table among its files")
    return [LocalFile(entry.path, entry.hash, str(blobs.path(entry.hash))) for entry in tables], None
