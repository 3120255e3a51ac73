"""Secrets over HTTP: who may set and list them, and that no answer, event or file of the home has a value."""

import msgspec
import pytest

from helicline.access import secrets
from helicline.errors import Conflict
from helicline.loop import loops, spec_checks
from helicline.pipeline import runs
from helicline.records.pipeline import StepSpec
from helicline.store.vault import Vault
from support.live_server import make_context, running_server
from support.records import loop_spec

VALUE = "postgresql://shop:hunter22@db/x"


@pytest.fixture(scope="module", params=["local", "token"])
def server(request, tmp_path_factory):
    context = make_context(tmp_path_factory.mktemp("home"), auth=request.param)
    with running_server(context) as client:
        client.headers["Authorization"] = f"Bearer {(context.home / 'owner.token').read_text().strip()}"
        client.put("/api/v1/secrets/SHOP_DB", json={"value": VALUE}).raise_for_status()
        yield context, client


def token_of(client, role):
    answer = client.post("/api/v1/tokens", json={"name": role, "role": role})
    return {"Authorization": f"Bearer {answer.json()['secret']}"}


def with_secret(*names):
    """Return the spec of a loop whose first step names secrets."""
    spec = loop_spec(name="shop", model="shop", deployment="shop")
    first, *rest = spec.pipeline.steps
    steps = (msgspec.structs.replace(first, secrets=names), *rest)
    return msgspec.structs.replace(spec, pipeline=msgspec.structs.replace(spec.pipeline, steps=steps))


def test_a_value_is_in_no_answer_event_or_file(server):
    context, client = server
    for path in ("/secrets", "/events?limit=1000", "/audit", "/status"):
        assert "hunter22" not in client.get(f"/api/v1{path}").raise_for_status().text
    assert [secret["name"] for secret in client.get("/api/v1/secrets").json()["items"]] == ["SHOP_DB"]
    files = [path.read_bytes() for path in context.home.rglob("*") if path.is_file()]
    assert not any(b"hunter22" in content for content in files)


def test_a_value_comes_back_under_its_own_name_only(server):
    context, _ = server
    vault = Vault.of(context.settings)
    assert context.store.read(lambda tx: secrets.values(tx, vault, ["SHOP_DB"])) == {"SHOP_DB": VALUE}
    with pytest.raises(Conflict, match="sealed with another key"):
        context.store.read(lambda tx: secrets.values(tx, Vault(lambda: b"another"), ["SHOP_DB"]))


@pytest.mark.parametrize(
    ("role", "listing", "setting"),
    [
        ("viewer", 200, 403),
        ("contributor", 200, 403),
        ("operator", 200, 403),
        ("caller", 401, 401),
        ("admin", 200, 200),
    ],
)
def test_an_admin_sets_and_whoever_reads_lists(server, role, listing, setting):
    _, client = server
    headers = token_of(client, role) if role != "caller" else {"Authorization": "Bearer wrong"}
    assert client.get("/api/v1/secrets", headers=headers).status_code == listing
    assert client.put("/api/v1/secrets/OTHER_KEY", json={"value": "12345"}, headers=headers).status_code == setting
    assert client.delete("/api/v1/secrets/OTHER_KEY", headers=headers).status_code == setting


def test_without_a_token_nothing_is_changed(server):
    _, client = server
    request = client.build_request("PUT", "/api/v1/secrets/SHOP_DB", json={"value": "other"})
    del request.headers["Authorization"]
    assert client.send(request).status_code in (401, 403)


@pytest.mark.parametrize("name", ["shop", "PATH", "HELICLINE_TOKEN", "LD_PRELOAD", "PYTHONPATH", "A-B", "1A"])
def test_a_name_that_is_no_variable_of_a_step_is_refused(server, name):
    _, client = server
    answer = client.put(f"/api/v1/secrets/{name}", json={"value": "12345"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_a_value_that_could_not_be_masked_is_refused(server):
    _, client = server
    assert client.put("/api/v1/secrets/PIN", json={"value": "123"}).status_code == 400


def test_a_missing_secret_is_refused_by_name_before_anything_runs(server):
    context, client = server
    spec = with_secret("SHOP_DB", "NOWHERE")
    answer = client.post("/api/v1/loops/check", content=msgspec.json.encode(spec)).json()["items"]
    errors = [(problem["got"], problem["hint"]) for problem in answer if problem["severity"] == "error"]
    assert errors == [("NOWHERE", "Set it: hl secret set NOWHERE")]
    with pytest.raises(Exception, match="No secret named 'NOWHERE'"):
        context.store.write(lambda tx: runs.submit(tx, spec.pipeline), actor="a")


def test_the_list_says_which_steps_use_a_secret(server):
    context, client = server
    spec = with_secret("SHOP_DB")
    assert context.store.read(lambda tx: spec_checks.problems_of(tx, spec)) == []
    context.store.write(lambda tx: loops.apply(tx, spec), actor="a")
    step = spec.pipeline.steps[0].name
    assert client.get("/api/v1/secrets").json()["items"][0]["used_by"] == [f"shop/{step}"]


def test_a_step_without_secrets_has_none():
    assert StepSpec(name="a", function="m:f", code_hash="0").secrets == ()
