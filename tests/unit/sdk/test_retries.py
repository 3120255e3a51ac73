"""A client waits for a server that is away, and never sends a change twice that may have arrived."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from helicline.errors import Unavailable
from helicline.sdk.client import Client


@contextmanager
def answering(*answers):
    """A server that gives these answers in turn: a status, or None to break off; yield its address and its requests."""
    waiting, requests = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("content-length", 0)))
            requests.append(self.command)
            status = waiting.pop(0)
            if status is not None:
                self.send_response(status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

        do_GET = do_POST = answer

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sent(method, *answers, retry_s=20.0):
    """Return how often a request was sent, and whether it got through."""
    with answering(*answers) as (url, requests), Client(url, token="t", retry_s=retry_s) as client:
        try:
            client.send(method, "/x", body={} if method == "POST" else None)
        except Unavailable:
            return len(requests), False
        return len(requests), True


@pytest.mark.parametrize(
    ("method", "answers", "outcome"),
    [
        ("GET", (503, 503, 200), (3, True)),
        ("GET", (500, None, 200), (3, True)),
        ("POST", (503, 200), (2, True)),
        ("POST", (500, 200), (1, False)),
        ("POST", (504, 200), (1, False)),
        ("POST", (None, 200), (1, False)),
    ],
)
def test_what_may_have_arrived_is_not_sent_again(method, answers, outcome):
    assert sent(method, *answers) == outcome


def test_without_patience_nothing_is_sent_again():
    assert sent("GET", 503, 200, retry_s=0.0) == (1, False)
