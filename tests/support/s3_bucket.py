"""A bucket on this machine, which speaks S3 over a socket."""

from __future__ import annotations

import logging
import os
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Literal

import httpx


@contextmanager
def bucket() -> Iterator[str]:
    """The URL of a fresh bucket; while it is there the environment leads to it, as it would lead to a real one."""
    with warnings.catch_warnings():
        # the stock client leaves import hooks in a process that load packages in an old way
        for old in (ImportWarning, DeprecationWarning):
            warnings.simplefilter("ignore", old)
        from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    _, port = running.get_host_and_port()
    address, name = f"http://127.0.0.1:{port}", f"bucket-{uuid.uuid4().hex[:8]}"
    before = dict(os.environ)
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address,
        "AWS_ALLOW_HTTP": "true",
    }
    httpx.put(f"{address}/{name}", trust_env=False).raise_for_status()
    try:
        yield f"s3://{name}/home"
    finally:
        os.environ.clear()
        os.environ.update(before)
        running.stop()


@contextmanager
def bucket_of(kind: Literal["folder", "S3"], folder: Path) -> Iterator[str]:
    """The URL of a fresh bucket of either kind; a folder is made in `folder`."""
    if kind == "S3":
        with bucket() as url:
            yield url
    else:
        (folder / "bucket").mkdir()
        yield f"file://{folder}/bucket"


def backdate(url: str, days: float) -> None:
    """Make everything in the bucket so much older: its clock is no part of ours."""
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    name = url.removeprefix("s3://").partition("/")[0]
    for key in s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[name].keys.values():
        key.last_modified -= timedelta(days=days)
