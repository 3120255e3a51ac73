import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import helicline.gateway.worker
from helicline.gateway.worker.frames import RESULT, FrameReader, ProtocolError, deadline_at, expired, pack


@given(
    st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=50), st.binary(max_size=200))),
    st.integers(1, 60),
)
def test_frames_survive_any_cutting_of_the_stream(frames, size):
    stream = b"".join(pack(kind, n, meta=meta, body=body) for n, (kind, meta, body) in enumerate(frames))
    reader, decoded = FrameReader(), []
    for at in range(0, len(stream), size):
        decoded.extend(reader.feed(stream[at : at + size]))
    assert [(f.kind, f.meta, f.body) for f in decoded] == frames
    assert [f.id for f in decoded] == list(range(len(frames)))


def test_a_stream_of_something_else_is_garbled():
    with pytest.raises(ProtocolError):
        list(FrameReader().feed(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"))


def test_a_deadline_passes_and_zero_never_does():
    assert not expired(deadline_at(time.monotonic() + 5))
    assert expired(deadline_at(time.monotonic() - 0.1))
    assert not expired(0)
    assert pack(RESULT, 1, number=deadline_at(time.monotonic() + 1))


def test_the_worker_needs_only_the_standard_library_and_numpy():
    launch = Path(helicline.gateway.worker.__file__).with_name("launch.py")
    script = f"""
import sys, runpy
sys.modules["msgspec"] = None  # an environment without it: it is used where it is there, for speed
runpy.run_path({str(launch)!r}, run_name='launch')['reach_package']()
import helicline.gateway.worker.serve
loaded = {{name.split('.')[0] for name in sys.modules}}
third = loaded & {{'duckdb', 'httpx', 'uvloop', 'yaml', 'mlflow', 'pandas'}}
sys.exit(', '.join(third) or None)
"""
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).stderr == b""
