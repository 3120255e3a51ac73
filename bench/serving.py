"""Requests a second, one row each: the gateway beside stock `mlflow models serve` with the same model.

usage: python bench/serving.py [SECONDS]

Both run at once; they are loaded in turn, three rounds, by this client.
"""

import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from load import in_turn, measure, request

TESTS = Path(__file__).resolve().parents[1] / "tests"
CONNECTIONS = (1, 16, 64)
START_S = 300  # of the stock server, which imports for a minute on a busy machine
ROW = json.dumps({"dataframe_split": {"columns": ["sl", "sw", "pl", "pw"], "data": [[5.1, 3.5, 1.4, 0.2]]}})
PREDICTION_REQUEST = request("POST", "/invocations", ROW.encode())


def prediction_request() -> bytes:
    return PREDICTION_REQUEST


def stock(model):
    """Start `mlflow models serve`; return the process and its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "-p", str(port)]
    output = Path(tempfile.mkdtemp()) / "stock.log"
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "-h", "127.0.0.1", "--env-manager", "local"],
            stdout=stream,
            stderr=stream,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        )
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1).close()
            return process, port
        except OSError:
            time.sleep(0.1)
    process.kill()
    raise RuntimeError(f"mlflow models serve does not come up: {output.read_text(errors='replace')[-2000:]}")


def compare(own_port, peer_port, seconds):
    """Print the medians of alternating rounds."""
    print(f"{'connections':>11} {'gateway/s':>10} {'mlflow/s':>9} {'ratio':>6}")
    for connections in CONNECTIONS:
        a, b = in_turn(
            [
                functools.partial(measure, port, connections, seconds, prediction_request)
                for port in (own_port, peer_port)
            ]
        )
        print(
            f"{connections:>11} {a.per_second:>10.0f} {b.per_second:>9.0f} {a.per_second / b.per_second:>5.1f}x"
            f"  p99 {a.p99_ms:.1f} / {b.p99_ms:.1f} ms  failed {a.failed} / {b.failed}",
            flush=True,
        )


def main(seconds):
    sys.path.insert(0, str(TESTS))
    from support import gateway_harness

    harness = gateway_harness.GatewayHarness(Path(tempfile.mkdtemp()))
    process = None
    try:
        harness.deploy("iris", "iris")
        process, port = stock(gateway_harness.models() / "iris")
        compare(harness.gateway.address[1], port, seconds)
    finally:
        if process is not None:
            process.terminate()
            process.wait(20)
        harness.close()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0)
