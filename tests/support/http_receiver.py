"""An HTTP server on this machine that keeps what it is sent: for webhooks, and as an upstream."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """Answers each request with what `answer(path, body)` says: a status, a body, and its type."""

    def __init__(self, answer: Callable[[str, bytes], tuple[int, bytes, str]] | None = None) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        reply = answer or (lambda path, body: (200, b"fine", "text/plain"))
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                status, answer_body, kind = reply(self.path, body)
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(answer_body)))
                if 300 <= status < 400:
                    self.send_header("location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()
                self.wfile.write(answer_body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class SlowReceiver:
    """Answers one request with `begin`, then a byte at a time, for some seconds at most. Entering gives the URL."""

    def __init__(self, begin: bytes) -> None:
        self.begin, self.stopping = begin, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._drip, daemon=True).start()

    def _drip(self) -> None:
        line, _ = self.listener.accept()
        with line, contextlib.suppress(OSError):
            line.recv(65536)
            line.sendall(self.begin)
            dripped = b"x" * 200 if self.begin else b"HTTP/1.1 200 OK\r\nx-slow: " + b"x" * 200 + b"\r\n\r\n"
            for byte in dripped:
                if self.stopping.wait(0.02):
                    return
                line.sendall(bytes([byte]))

    def __enter__(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/"

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.listener.close()
