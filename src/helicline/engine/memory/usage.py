"""The memory that a process uses, and how often the kernel ended one because memory ran out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from helicline.engine.memory.process_tree import PROC

CGROUPS = Path("/sys/fs/cgroup")
# what only the process can give back; pages of mapped files are not among it, since the kernel can drop them
SHARES = ("Pss_Anon", "Pss_Shmem", "SwapPss")
RESIDENT = ("RssAnon", "RssShmem", "VmSwap")


def used_bytes(pids: Iterable[int]) -> int:
    """Return the memory of processes; a page that several have counts in each by its share (PSS).

    Where the system does not tell the shares, as of processes of another user, such a page counts as a whole in each.
    """
    return sum(_used_bytes(pid) for pid in pids)


def _used_bytes(pid: int) -> int:
    try:
        fields = _numbers(PROC / str(pid) / "smaps_rollup")
        # kernels before 5.4 tell the sum only
        return 1024 * (sum(fields.get(name, 0) for name in SHARES) if SHARES[0] in fields else fields.get("Pss", 0))
    except FileNotFoundError:
        return 0  # it has ended
    except OSError:
        return _resident_bytes(pid)


def _resident_bytes(pid: int) -> int:
    try:
        fields = _numbers(PROC / str(pid) / "status")
    except OSError:
        return 0
    return 1024 * sum(fields.get(name, 0) for name in RESIDENT)


def kernel_kills() -> int:
    """Return how many processes the kernel has ended for want of memory: of this control group, else of the machine."""
    for path in (*_group_files(), PROC / "vmstat"):
        try:
            fields = _numbers(path)
        except OSError:
            continue
        if "oom_kill" in fields:
            return fields["oom_kill"]
    return 0


def _group_files() -> Iterable[Path]:
    """Yield the files in which cgroups (version 2, and version 1) count it."""
    try:
        lines = (PROC / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield CGROUPS / path.lstrip("/") / "memory.events"
        elif "memory" in controllers.split(","):
            yield CGROUPS / "memory" / path.lstrip("/") / "memory.oom_control"


def _numbers(path: Path) -> dict[str, int]:
    """Return the numbers of a file with lines like `Name: 12 kB` or `name 12`."""
    words = (line.replace(":", " ").split() for line in path.read_text(errors="replace").splitlines())
    return {parts[0]: int(parts[1]) for parts in words if len(parts) > 1 and parts[1].isdecimal()}
