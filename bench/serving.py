"""Requests a second, one row each: the gateway beside stock `mlflow models serve` with the same model.

usage: python bench/serving.py [SECONDS]

Both run at once; they are loaded in turn, three rounds, by this client.
"""

import asyncio
import importlib.util
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import uvloop

STAND = Path(__file__).resolve().parents[1] / "tests" / "unit" / "gateway" / "stand.py"
CONNECTIONS = (1, 16, 64)
ROUNDS = 3
BODY = json.dumps({"dataframe_split": {"columns": ["sl", "sw", "pl", "pw"], "data": [[5.1, 3.5, 1.4, 0.2]]}})
REQUEST = (
    f"POST /invocations HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    f"content-length: {len(BODY)}\r\n\r\n{BODY}"
).encode()


class Client(asyncio.Protocol):
    """Sends the request again as soon as its answer is complete."""

    done = failed = 0
    going = True

    def connection_made(self, transport):
        self.transport, self.buffer = transport, b""
        transport.write(REQUEST)

    def data_received(self, data):
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        if len(body) < size:
            return
        self.buffer = body[size:]
        Client.done += 1
        Client.failed += b" 200 " not in head[:20]
        self.transport.write(REQUEST) if Client.going else self.transport.close()


async def rate(port, connections, seconds):
    """Return answers a second."""
    loop = asyncio.get_running_loop()
    Client.going = True
    clients = [await loop.create_connection(Client, "127.0.0.1", port) for _ in range(connections)]
    await asyncio.sleep(0.3)
    Client.done, start = 0, time.perf_counter()
    await asyncio.sleep(seconds)
    found = Client.done / (time.perf_counter() - start)
    Client.going = False
    await asyncio.sleep(0.2)
    for transport, _ in clients:
        transport.abort()
    return found


def stock(model):
    """Start `mlflow models serve`; return the process and its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "-p", str(port)]
    process = subprocess.Popen(
        [*command, "-h", "127.0.0.1", "--env-manager", "local"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1).close()
            return process, port
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("mlflow models serve does not come up")


async def compare(ours, theirs, seconds):
    """Print the medians of alternating rounds."""
    print(f"{'connections':>11} {'gateway/s':>10} {'mlflow/s':>9} {'ratio':>6}")
    for connections in CONNECTIONS:
        pairs = [
            (await rate(ours, connections, seconds), await rate(theirs, connections, seconds)) for _ in range(ROUNDS)
        ]
        a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{connections:>11} {a:>10.0f} {b:>9.0f} {a / b:>5.1f}x")
    print(f"failed answers: {Client.failed}")


def main(seconds):
    spec = importlib.util.spec_from_file_location("gateway_stand", STAND)
    stand = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stand)
    served = stand.Stand(Path(tempfile.mkdtemp()))
    process = None
    try:
        served.deploy("iris", "iris")
        process, port = stock(stand.models() / "iris")
        uvloop.run(compare(served.gateway.address[1], port, seconds))
    finally:
        if process is not None:
            process.terminate()
            process.wait(20)
        served.close()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0)
