"""`hl doctor`: checks of this installation, each with the next step where it fails."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from helicline import isolation
from helicline import settings as settings_file
from helicline.cli.health import BEAT_LIMIT_S, beat_age_s
from helicline.cli.show import as_json, say
from helicline.cli.supervisor import owner_of
from helicline.engine.worker import WORKER_BEAT
from helicline.errors import HeliclineError
from helicline.listening_socket import WITHOUT_SUPERVISOR_S, orphans
from helicline.settings import Settings

LOW_DISK = 1 << 30
PROBE_BYTES = 1 << 16
FREE_SPACE = "Free some space; `hl gc --dry-run` says what Helicline can free. Nothing has to be started again."


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check, with the next step where it failed."""

    what: str
    ok: bool
    detail: str
    next_step: str = ""


def doctor(*, json: bool = False) -> None:
    """Check python, disk, home, the boundary of user code, ports, server, gateway, worker and the audit chain.

    Example: `hl doctor`
    """
    findings = list(examine(settings_file.load()))
    if json:
        as_json(findings)
    else:
        for finding in findings:
            if finding.ok:
                say("[green]ok[/]   {}: {}", finding.what, finding.detail)
            else:
                say("[red]bad[/]  {}: {}\n     {}", finding.what, finding.detail, finding.next_step)
    if not all(finding.ok for finding in findings):
        sys.exit(1)


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield the result of each check."""
    home = settings.home_path
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(what="python", ok=sys.version_info >= (3, 11), detail=version, next_step="Use Python 3.11 or newer.")
    yield _disk(home)
    yield _home(home)
    yield _boundary(settings)
    yield _backup(home)
    running = owner_of(home)
    serving = [] if running else _serving_on(home)
    yield _processes(running, serving)
    if running:
        yield from _server()
    elif serving:
        return  # what listens at the ports is ours
    else:
        yield from (_port(settings.host, port) for port in (settings.port, settings.gateway_port) if port)


def _serving_on(home: Path) -> list[str]:
    """Return the processes that serve on after their supervisor was killed."""
    with contextlib.ExitStack() as stack:
        return [
            f"the {stack.enter_context(contextlib.closing(orphan)).name} (process {orphan.pid})"
            for orphan in orphans(home)
        ]


def _processes(running: int, serving: Sequence[str]) -> Finding:
    if serving:
        limit = f"{WITHOUT_SUPERVISOR_S / 60:.0f} minutes at most"
        return Finding(
            what="processes",
            ok=False,
            detail=f"the supervisor was killed; {' and '.join(serving)} serve on without it, {limit}",
            next_step="Have them taken over, with no request refused, by `hl up`; or end them by `hl down`.",
        )
    return Finding(
        what="processes",
        ok=bool(running),
        detail=f"supervisor {running}" if running else "not running here",
        next_step="Start everything with: hl up",
    )


def _existing(home: Path) -> Path:
    return next(folder for folder in (home, *home.parents) if folder.exists())


def _disk(home: Path) -> Finding:
    place = _existing(home)
    free, status = shutil.disk_usage(place).free, os.statvfs(place)
    detail = f"{free / (1 << 30):.1f} GiB free at {place}"
    if not free:
        detail = f"the disk of {place} is full: predictions are answered, and every write is refused"
    elif status.f_files and not status.f_favail:
        detail = f"the disk of {place} has no room for another file, though {free / (1 << 30):.1f} GiB are free"
        free = 0
    elif free <= LOW_DISK:
        detail += ": writes are refused once it is full"
    return Finding(what="disk", ok=free > LOW_DISK, detail=detail, next_step=FREE_SPACE)


def write_probe(folder: Path) -> None:
    """Write a file to a folder, durable, and remove it. Raises OSError where the folder does not take it."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
        file.write(b"\0" * PROBE_BYTES)
        file.flush()
        os.fsync(file.fileno())


def _home(home: Path, *, probe: Callable[[Path], None] = write_probe) -> Finding:
    if not home.exists():
        place = _existing(home)
        is_writable = place.is_dir() and os.access(place, os.W_OK)
        step = f"Make the folder {place} writable, or set HELICLINE_HOME to another one."
        return Finding(what="home", ok=is_writable, detail=f"{home} (made at the first start)", next_step=step)
    try:
        probe(home)
    except OSError as error:
        detail, step = _refusal(home, error)
        return Finding(what="home", ok=False, detail=detail, next_step=step)
    return Finding(what="home", ok=True, detail=str(home))


def _refusal(home: Path, error: OSError) -> tuple[str, str]:
    """Say why a home takes no file, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what = "its disk is full" if error.errno == errno.ENOSPC else "the quota of its user is used up"
        return f"{home} takes no file: {what}", FREE_SPACE
    if error.errno == errno.EROFS:
        step = (
            "Look for errors of the disk (dmesg), then mount it writable: mount -o remount,rw."
            " Predictions are answered meanwhile, and nothing has to be started again."
        )
        return f"{home} takes no file: its file system is read-only", step
    if error.errno in (errno.EACCES, errno.EPERM):
        step = f"Run it as the owner of the home (user id {home.stat().st_uid}), or make the folder writable."
        return f"{home} takes no file: user id {os.geteuid()} may not write there", step
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"{home} is no folder", "Set HELICLINE_HOME to a folder."
    return f"{home} takes no file: {error.strerror}", "Look for errors of the disk (dmesg)."


def _boundary(settings: Settings) -> Finding:
    system = isolation.support()
    step = "Steps and models can read what you can, tokens too: use Linux 5.13 or newer, or start helicline as root."
    if not settings.isolation:
        step = "Steps and models can read what you can, tokens too: remove isolation = false from the settings."
    return Finding(
        what="user code",
        ok=settings.isolation and (system.landlock > 0 or system.other_user),
        detail=f"runs {system.sentence}" if settings.isolation else "runs without restrictions",
        next_step=step,
    )


def _backup(home: Path) -> Finding:
    from helicline.store.backup import last_backup

    last = last_backup(home)
    detail = f"{last.at:%Y-%m-%d %H:%M} to {last.place}" if last else "never; make one with: hl backup FILE"
    return Finding(what="last backup", ok=True, detail=detail)


def _port(host: str, port: int) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            step = (
                f"Stop what listens there, or choose another with HELICLINE_PORT or HELICLINE_GATEWAY_PORT ({error})."
            )
            return Finding(what=f"port {port}", ok=False, detail="in use by another program", next_step=step)
    return Finding(what=f"port {port}", ok=True, detail="free")


def _worker() -> Finding:
    age_s = beat_age_s(settings_file.load().home_path / WORKER_BEAT)
    return Finding(
        what="worker",
        ok=age_s is not None and age_s <= BEAT_LIMIT_S,
        detail="not seen" if age_s is None else f"asked for tasks {age_s:.1f} s ago",
        next_step="See logs/worker.log in the home folder; without a worker no step runs.",
    )


def _server() -> Iterator[Finding]:
    from helicline.sdk.client import Client

    try:
        client = Client()
        status = client.get("/status", dict[str, Any])
        audit = client.get("/audit", dict[str, Any])
    except HeliclineError as error:
        yield Finding(what="server", ok=False, detail=str(error), next_step="See logs/server.log in the home folder.")
        return
    yield Finding(what="server", ok=True, detail=f"{client.url}, version {status['version']}, event {status['seq']}")
    seen_s = status["gateway_seen_s"]
    yield Finding(
        what="gateway",
        ok=seen_s is not None and seen_s < 30,
        detail="not seen" if seen_s is None else f"reported {seen_s:.1f} s ago",
        next_step="See logs/gateway.log in the home folder.",
    )
    yield _worker()
    for need in status["needs"]:
        if need["kind"] == "audit":
            step = "Look at the place and its credentials, then: hl audit verify --anchor PLACE"
            yield Finding(what="audit anchor", ok=False, detail=need["sentence"], next_step=step)
    yield Finding(
        what="audit chain",
        ok=audit["ok"],
        detail=f"{audit['events']} events" if audit["ok"] else audit["why"],
        next_step="Somebody changed the event table by hand; restore a backup.",
    )
