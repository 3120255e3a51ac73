"""Every client with every workflow, and its model served and asked on every face: `make clients`."""

from __future__ import annotations

import pandas as pd
import pytest

from clients.environments import CLIENTS, ClientVersion, results_of
from compatibility.faces import FACES, values_of
from compatibility.stack import Stack

IRIS = pd.DataFrame({"sl": [5.1, 6.7], "sw": [3.5, 3.0], "pl": [1.4, 5.2], "pw": [0.2, 2.3]})


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory):
    running = Stack(tmp_path_factory.mktemp("clients"))
    yield running
    running.close()


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.version)
def test_a_client_works_unchanged_and_its_model_is_served(stack: Stack, client: ClientVersion):
    results = results_of(client, stack.url, brief=False)
    print({"client": client.version, **results})
    failed = {name: result for name, result in results.items() if not result.startswith(("works", "since"))}
    assert failed == {}
    model = f"client-{client.version}"
    stack.deploy(model)
    revision = stack.served(model)
    assert revision["state"] == "READY", revision["reason"]
    for face in FACES:
        body = face.encode(IRIS)
        if body is None or face.name == "OIP, binary":
            continue
        headers = {"Content-Type": face.media_type, **face.headers(body)}
        answer = stack.ask(face.path.format(model), body, **headers)
        assert answer.status_code == 200, f"{face.name}: {answer.text}"
        assert values_of(answer.json()) == [0, 2], face.name
