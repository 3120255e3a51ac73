import os
import subprocess
import sys
from pathlib import Path

import pytest

from helicline.engine.memory import process_tree, usage, watch

VMSTAT = "nr_free_pages 12\noom_kill 3\n"


@pytest.fixture
def proc(tmp_path, monkeypatch):
    """A /proc and a /sys/fs/cgroup of our own."""
    monkeypatch.setattr(usage, "PROC", tmp_path / "proc")
    monkeypatch.setattr(usage, "CGROUPS", tmp_path / "cgroup")
    (tmp_path / "proc" / "self").mkdir(parents=True)
    return tmp_path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_kernel_counts_for_the_machine_where_no_group_does(proc):
    write(proc / "proc" / "vmstat", VMSTAT)
    assert usage.kernel_kills() == 3


@pytest.mark.parametrize(
    ("line", "file", "text"),
    [
        ("0::/app", "app/memory.events", "low 0\noom 4\noom_kill 2\n"),
        ("4:cpu,memory:/app", "memory/app/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
    ],
)
def test_the_kernel_counts_for_the_group_of_the_worker(proc, line, file, text):
    write(proc / "proc" / "vmstat", VMSTAT)
    write(proc / "proc" / "self" / "cgroup", f"9:name=systemd:/\n{line}\n")
    write(proc / "cgroup" / file, text)
    assert usage.kernel_kills() == 2


@pytest.mark.parametrize(
    ("rollup", "kilobytes"),
    [
        ("Rss: 900 kB\nPss: 700 kB\nPss_Anon: 100 kB\nPss_File: 500 kB\nPss_Shmem: 20 kB\nSwapPss: 3 kB\n", 123),
        ("Rss: 900 kB\nPss: 700 kB\n", 700),
    ],
)
def test_mapped_files_are_no_memory_of_a_process_where_the_kernel_tells_them_apart(proc, rollup, kilobytes):
    write(proc / "proc" / "7" / "smaps_rollup", rollup)
    assert usage.used_bytes([7, 8]) == kilobytes * 1024


def test_a_process_that_the_kernel_will_not_measure_exactly_counts_by_what_is_resident(proc):
    (proc / "proc" / "7" / "smaps_rollup").mkdir(parents=True)  # it cannot be read
    write(proc / "proc" / "7" / "status", "Name:\tx\nVmSwap:\t 1 kB\nRssAnon:\t 30 kB\nRssFile:\t 90 kB\n")
    assert usage.used_bytes([7]) == 31 * 1024


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
def test_descendants_count_however_far_they_are():
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as child:
        while len(process_tree.with_descendants(child.pid)) < 2:
            assert child.poll() is None
        assert child.pid in process_tree.children_of(os.getpid())
        child.communicate(b"\n")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
def test_a_watch_ends_what_passes_its_limit():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        with watch.MemoryWatch(child.pid, limit_bytes=1) as memory:
            assert child.wait(30) == -9
        assert memory.exceeded
        assert memory.peak_bytes > 1


def test_a_step_that_the_kernel_ended_says_so():
    text = watch.reason(peak_bytes=2_000_000_000, limit_bytes=0, is_step=True)
    assert "the kernel ended a process of it" in text
    assert "2,000 MB were measured at most" in text
