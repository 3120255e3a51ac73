"""A server that stops: who has connected already is answered."""

import socket
import time

from support.server_process import ServerProcess


def test_a_connection_that_is_new_is_answered_when_the_server_stops(tmp_path):
    server = ServerProcess(tmp_path / "home")
    server.start()
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
            time.sleep(0.3)  # the server has accepted the connection then, which nothing tells
            server.process.terminate()
            time.sleep(0.3)  # and has begun to stop
            line.sendall(b"GET /version HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert line.recv(100).startswith(b"HTTP/1.1 200")
        assert server.process.wait(20) in (0, -15)
    finally:
        server.stop()
