"""Processes and their descendants, as /proc tells them; none where there is no /proc."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from pathlib import Path

PROC = Path("/proc")


def is_readable() -> bool:
    """Return whether this system tells of its processes by /proc."""
    return (PROC / "self" / "stat").exists()


def children_of(parent: int) -> set[int]:
    """Return the processes whose parent this is."""
    return _children_by_parent()[parent]


def with_descendants(root: int) -> set[int]:
    """Return a process and all that descend from it."""
    children, pids, waiting = _children_by_parent(), set[int](), [root]
    while waiting:
        pid = waiting.pop()
        if pid not in pids:
            pids.add(pid)
            waiting += children[pid]
    return pids


def _children_by_parent() -> defaultdict[int, set[int]]:
    """Return the children of every process (proc(5): the parent is the fourth field of stat, after the name)."""
    children: defaultdict[int, set[int]] = defaultdict(set)
    names = os.listdir(PROC) if PROC.is_dir() else []
    for name in filter(str.isdecimal, names):
        with contextlib.suppress(OSError), open(f"{PROC}/{name}/stat", "rb") as file:
            children[int(file.read().rpartition(b")")[2].split()[1])].add(int(name))
    return children
