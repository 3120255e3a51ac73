"""A gateway that is restarted under traffic: its clients wait, and none of them is failed."""

import json
import threading
from http.client import HTTPConnection

import pytest

from helicline import listening_socket
from support.gateway_harness import GatewayHarness, route
from support.wait import wait_for

JSON = {"content-type": "application/json"}
SUM = json.dumps({"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, 2.0]]}})


@pytest.fixture
def harness(tmp_path):
    """A gateway whose listening socket outlives it, as under the supervisor."""
    listener = listening_socket.bind("127.0.0.1", 0)
    harness = GatewayHarness(tmp_path, listener)
    harness.deploy("d", "sums")
    yield harness
    harness.close()
    listener.close()


class Clients:
    """Clients that ask all the time over connections that they keep, and repeat nothing."""

    def __init__(self, address, count=8):
        self.statuses, self._going = [], True
        self._threads = [threading.Thread(target=self._ask, args=(address,)) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _ask(self, address):
        connection = HTTPConnection(*address, timeout=90)
        while self._going:
            try:
                connection.request("POST", "/endpoints/d/invocations", SUM, JSON)
                self.statuses.append(connection.getresponse().read() == b'{"predictions": [3.0]}')
            except OSError as error:
                self.statuses.append(repr(error))
                connection.close()
        connection.close()

    def more(self, count):
        enough = len(self.statuses) + count
        wait_for(lambda: len(self.statuses) >= enough, f"{count} more answers")

    def stop(self):
        self._going = False
        for thread in self._threads:
            thread.join()
        return set(self.statuses)


def test_no_request_fails_while_the_gateway_restarts(harness):
    clients = Clients(harness.gateway.address)
    clients.more(100)
    assert harness.gateway.stop() == 0
    harness.restart()
    clients.more(100)
    assert clients.stop() == {True}


def test_requests_wait_while_the_first_load_runs(harness):
    harness.gateway.stop()
    harness.restart()
    answer = harness.client.post("/endpoints/d/invocations", content=SUM, headers=JSON)
    assert (answer.status_code, answer.json()) == (200, {"predictions": [3.0]})


def test_a_request_waits_for_the_first_load_no_longer_than_its_own_time(harness):
    harness.gateway.stop()
    harness.restart()
    answer = harness.client.post("/endpoints/d/invocations", content=SUM, headers={**JSON, "x-request-timeout-ms": "1"})
    assert (answer.status_code, answer.json()["error_code"]) == (504, "DEADLINE_EXCEEDED")


def test_what_is_called_is_loaded_before_what_nobody_calls(harness):
    plane = harness.plane
    orders = [plane.order("d", 1, "sums"), plane.order("d", 2, "tardy")]
    plane.applied(plane.want(orders, [route("d", 2, previous=1)]))
    plane.until("d", 2, "READY")
    harness.gateway.stop()
    plane.observed, plane.reports = None, []
    harness.restart()
    plane.until("d", 1, "READY")
    ready = [{status.revision for status in report.revisions if status.state == "READY"} for report in plane.reports]
    assert next(filter(None, ready)) == {2}
