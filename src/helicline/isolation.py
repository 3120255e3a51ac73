"""What user code may reach: restrictions that a process puts on itself before it runs a step or a model (note 0027).

On Linux with Landlock a process gives up, for good and with its children, every file outside of an allow-list, every
look into other processes (`/proc/PID/environ`, ptrace) and every signal to them. Where the program runs as root, user
code runs as another user, or, where that user could not read the interpreter, as root without capabilities.

Only the standard library: the model worker runs this in the environment of the model.
Constants and layouts: linux/landlock.h, linux/capability.h and prctl(2).
"""

from __future__ import annotations

import ctypes
import fnmatch
import os
import site
import stat
import struct
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

# one user id for each process, from the range that is kept for services made on demand; one group for all
FIRST_UID, UID_COUNT, GID = 61184, 4096, 61184

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/nix", "/snap", "/proc", "/sys")
# what root may read without any capability
ROOT_ONLY = ("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/ssl/private")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "fd", "dri", "kfd", "infiniband")

# further variables are passed by the setting `passed_environment`
PASSED = (
    "PATH", "LANG", "LANGUAGE", "LC_*", "TZ", "TERM", "USER", "LOGNAME", "SSL_CERT_*", "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE", "*_PROXY", "*_proxy", "LD_LIBRARY_PATH", "DYLD_*", "CUDA_*", "NVIDIA_*", "ROCR_*", "HIP_*",
    "*_NUM_THREADS", "OPENBLAS_*", "MKL_*", "KMP_*", "OMP_*", "PYTHONHASHSEED", "PYTHONWARNINGS", "PYTHONUTF8",
    "JAVA_HOME", "SYSTEMROOT", "MLFLOW_*_TIMEOUT", "DO_NOT_TRACK",
)  # fmt: skip

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_READ = 1 << 0 | 1 << 2 | 1 << 3  # execute, read a file, list a folder
_OF_FILE = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15
_ALL_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_ALL_RIGHTS_NOW = (1 << 16) - 1
_SCOPES = 0b11  # abstract sockets and signals, from version 6 on
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP = 4, 38, 24
_LAST_CAPABILITY = 63
_CAPABILITY_VERSION = 0x20080522


class Boundary(NamedTuple):
    """The files that user code may use. A hidden folder stays so within a readable one, but for what it names in it."""

    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


class Support(NamedTuple):
    """What this system and this user allow: the version of Landlock (0: none), and whether users can be changed."""

    landlock: int
    other_user: bool

    @property
    def sentence(self) -> str:
        """The restrictions in words, for people."""
        if self.landlock:
            user = "as another user, " if self.other_user else ""
            return f"{user}with its own files only (Landlock {self.landlock})"
        return "as another user" if self.other_user else "as this user, with all of its files"


def support() -> Support:
    """Return what this system allows."""
    return Support(_landlock_version(), sys.platform == "linux" and os.geteuid() == 0)


def environment(variables: Mapping[str, str], *, passed: Iterable[str] = ()) -> dict[str, str]:
    """Return the variables that user code gets: those of the allow-list, and those that match a pattern of `passed`."""
    patterns = (*PASSED, *passed)
    return {
        name: value
        for name, value in variables.items()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    }


def interpreter_paths(*, hidden: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the folders that this interpreter imports from. A folder that holds a hidden one is left out.

    The current folder is one of them only where the interpreter found packages there.
    """
    own = [str(Path(__file__).resolve().parents[1]), sys.prefix, sys.base_prefix, sys.exec_prefix]
    own += [*sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages(), *sys.path]
    own += [str(Path(sys.executable).parent), str(Path(sys.executable).resolve().parents[1])]
    real = dict.fromkeys(os.path.realpath(path) for path in own if path and os.path.exists(path))
    real.pop(os.getcwd(), None)
    secrets = [os.path.realpath(path) for path in hidden]
    return tuple(path for path in real if not any(_is_within(secret, path) for secret in secrets))


def enter(boundary: Boundary, *, uid: int | None = None) -> Support:
    """Restrict this process, for good, as far as the system allows; return what was done.

    It has to run before the process starts a thread. The writable folders are given to the new user.
    """
    if sys.platform != "linux":
        return Support(0, other_user=False)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    rules = list(_rules(boundary))
    version = _landlock_version()
    other_user = os.geteuid() == 0 and _change_user(libc, boundary, uid=uid or FIRST_UID + os.getpid() % UID_COUNT)
    if version:
        _restrict(libc, rules, version=version)
    return Support(version, other_user=other_user)


def unreachable_by_others(paths: Iterable[str]) -> str:
    """Return the first of the paths that a user of the group GID could not read, or an empty text."""
    return next((path for path in paths if os.path.exists(path) and not _others_reach(Path(path))), "")


def _others_reach(path: Path) -> bool:
    real = path.resolve()
    for folder in (real, *real.parents):
        status = folder.stat()
        shift = 3 if status.st_gid == GID else 0
        needed = 0o5 if folder == real and stat.S_ISDIR(status.st_mode) else 0o4 if folder == real else 0o1
        if (status.st_mode >> shift) & needed != needed:
            return False
    return True


def _landlock_version() -> int:
    if sys.platform != "linux":
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    return max(int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)), 0)


def _rules(boundary: Boundary) -> Iterator[tuple[str, bool]]:
    """Yield every path and whether it may be written."""
    hidden = [os.path.realpath(path) for path in (*boundary.hidden, *ROOT_ONLY)]
    for path in (*SYSTEM, *boundary.readable):
        for visible in _without(os.path.realpath(path), hidden):
            yield visible, False
    for name in (*DEVICES, *(entry for entry in _entries("/dev") if entry.startswith("nvidia"))):
        yield f"/dev/{name}", True
    for path in boundary.writable:
        yield os.path.realpath(path), True


def _without(path: str, hidden: list[str]) -> Iterator[str]:
    """Yield the path, or what is in it beside the hidden folders."""
    if path in hidden:
        return
    if not any(_is_within(secret, path) for secret in hidden):
        yield path
        return
    for entry in _entries(path):
        yield from _without(os.path.join(path, entry), hidden)


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _restrict(libc: ctypes.CDLL, rules: list[tuple[str, bool]], *, version: int) -> None:
    rights = _ALL_RIGHTS.get(version, _ALL_RIGHTS_NOW)
    attributes = struct.pack("=Q", rights) if version < 6 else struct.pack("=QQQ", rights, 0, _SCOPES)
    ruleset = int(libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0))
    _check(ruleset, "create a Landlock ruleset")
    try:
        for path, writable in rules:
            _allow(libc, ruleset, path=path, allowed=rights if writable else rights & _READ)
        _check(libc.syscall(_RESTRICT_SELF, ruleset, 0), "restrict this process")
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, *, path: str, allowed: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what does not exist, or cannot be reached, needs no rule
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            allowed &= _OF_FILE
        rule = struct.pack("=Qi", allowed, descriptor)
        _check(libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0), f"allow {path}")
    finally:
        os.close(descriptor)


def _change_user(libc: ctypes.CDLL, boundary: Boundary, *, uid: int) -> bool:
    """Become another user; where that user could not read the interpreter, drop the capabilities instead."""
    if unreachable_by_others((*boundary.readable, *(os.path.dirname(path) for path in boundary.writable))):
        _drop_capabilities(libc)
        return False
    for path in boundary.writable:
        _give(path, uid)
    os.setgroups([])
    os.setresgid(GID, GID, GID)
    os.setresuid(uid, uid, uid)
    libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # a change of user takes /proc/self away from its own process
    return True


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    for capability in range(_LAST_CAPABILITY + 1):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header, data = struct.pack("=Ii", _CAPABILITY_VERSION, 0), struct.pack("=6I", *[0] * 6)
    _check(libc.capset(header, data), "drop the capabilities")


def _give(path: str, uid: int) -> None:
    os.chown(path, uid, GID, follow_symlinks=False)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(os.path.join(folder, name), uid, GID, follow_symlinks=False)


def _check(result: int, action: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot {action}: {os.strerror(number)}")
