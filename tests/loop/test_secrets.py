"""A secret of a step: only that step sees it, and what it writes of it is masked."""

import pytest

from support.worker_harness import WorkerHarness

SOURCE = """
import os
import helicline as hl

@hl.step
def other() -> hl.Artifact:
    print("OTHER", sorted(name for name in os.environ if "SHOP" in name), flush=True)
    return {"shop": os.environ.get("SHOP_DB", "nothing")}

@hl.step(secrets=["SHOP_DB"])
def load(before: hl.Artifact, *, how: str = "HOW", timeout: str = "TIMEOUT") -> hl.Model:
    secret = os.environ["SHOP_DB"]
    print("LENGTH", len(secret), before.json()["shop"])
    print("SECRET", secret, repr(secret), flush=True)
    raise ValueError("no connection to " + secret)

@hl.pipeline
def NAME():
    return hl.candidate(load(other()))

loop = hl.Loop("NAME", pipeline=NAME)
"""
VALUE = "postgresql://shop:hunter22@db/x"


@pytest.fixture(scope="module", params=["local", "token"])
def shop(request, tmp_path_factory):
    harness = WorkerHarness(tmp_path_factory.mktemp("secrets"), SOURCE, HELICLINE_AUTH=request.param)
    harness.client.send("PUT", "/secrets/SHOP_DB", body={"value": VALUE})
    yield harness
    harness.close()


def test_only_the_step_that_names_a_secret_sees_it_and_its_output_is_masked(shop):
    shop.begin("shop", "reads")
    turn = shop.turn("shop", "FAILED")
    detail = shop.detail(turn)
    logs = {
        attempt["step"]: shop.client.send("GET", f"/attempts/{attempt['id']}/log").text
        for attempt in detail["attempts"]
    }
    assert "OTHER []" in logs["other"]
    assert f"LENGTH {len(VALUE)} nothing" in logs["load"]
    assert "SECRET *** '***'" in logs["load"]
    assert "ValueError: no connection to *** (shop_loop.py:15); its output: hl pipeline logs" in turn["result"]
    everything = [*logs.values(), str(turn), str(detail), shop.client.send("GET", "/events", limit=1000).text]
    assert not any("hunter22" in text for text in everything)
    files = [path for path in (shop.folder / "home").rglob("*") if path.is_file()]
    assert not [path for path in files if b"hunter22" in path.read_bytes()]
