"""Tokens at the gateway: no call without one, scopes by deployment, revocation, and the source of feedback."""

import json
import time

import msgspec
import pytest

from helicline.access.signed_token import Claims, Signer
from helicline.gateway.front.feedback_limit import MAX_PER_LABEL, FeedbackLimit
from support import gateway_harness
from support.wait import wait_for

SUM = json.dumps({"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, 2.0]]}})
SIGNER = Signer(bytes(32))


def token(*scopes, id="t1", name="shop", seconds=3600, signer=SIGNER):
    return signer.sign(Claims(id=id, name=name, scopes=scopes, expires_s=int(time.time()) + seconds))


def bearer(text):
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A gateway with `auth=token` that serves `sums`, and the key of its server."""
    harness = gateway_harness.GatewayHarness(tmp_path_factory.mktemp("guarded"), HELICLINE_AUTH="token")
    harness.deploy("sums", "sums")
    let = msgspec.structs.replace(harness.plane.desired, token_key=SIGNER.public_key)
    apply(harness, let)
    yield harness
    harness.close()


def apply(harness, desired):
    plane = harness.plane
    with plane._moved:
        plane.desired = msgspec.structs.replace(desired, generation=plane.desired.generation + 1)
        plane._moved.notify_all()
    plane.applied(plane.desired)


def predict(harness, headers=None, path="/endpoints/sums/invocations"):
    return harness.client.post(path, content=SUM, headers=headers or {})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/endpoints/sums/invocations"), ("POST", "/endpoints/nobody/invocations"), ("POST", "/invocations"),
        ("POST", "/v2/models/sums/infer"), ("POST", "/v1/models/sums:predict"), ("POST", "/v1/feedback"),
        ("POST", "/v1/feedback:batch"), ("GET", "/metrics"), ("GET", "/v2/models"), ("GET", "/v2/models/sums"),
        ("GET", "/v2/models/sums/versions/1"), ("POST", "/serving-endpoints/sums/invocations"), ("GET", "/nowhere"),
    ],
)  # fmt: skip
def test_nothing_but_probes_is_answered_without_a_token(guarded, method, path):
    answer = guarded.client.request(method, path, content=SUM if method == "POST" else None)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "sums" not in answer.text


@pytest.mark.parametrize("path", ["/ping", "/health", "/v2/health/live", "/v2/health/ready", "/v2/models/sums/ready"])
def test_probes_stay_open(guarded, path):
    assert guarded.client.get(path).status_code == 200


def test_a_token_may_call_the_deployments_of_its_scopes_only(guarded):
    assert predict(guarded, bearer(token("predict:sums"))).status_code == 200
    assert predict(guarded, bearer(token("predict:*"))).status_code == 200
    refused = predict(guarded, bearer(token("predict:other", "feedback:sums", "metrics")))
    assert refused.status_code == 403
    assert "predict:sums" in refused.text


def test_metrics_and_metadata_need_their_scopes(guarded):
    assert guarded.client.get("/metrics", headers=bearer(token("metrics"))).status_code == 200
    assert guarded.client.get("/metrics", headers=bearer(token("predict:*"))).status_code == 403
    assert guarded.client.get("/v2/models/sums", headers=bearer(token("predict:sums"))).status_code == 200
    assert guarded.client.get("/v2/models/sums", headers=bearer(token("metrics"))).status_code == 403


def test_expired_forged_and_changed_tokens_are_refused(guarded):
    good = token("predict:sums")
    payload, signature = good.split(".")
    forged = token("predict:sums", signer=Signer(b"x" * 32))
    changed = token("predict:*").split(".")[0] + "." + signature
    for text in (forged, changed, payload, token("predict:sums", seconds=-1), "hls_"):
        assert predict(guarded, bearer(text)).status_code == 401
    assert predict(guarded, bearer(good)).status_code == 200


def test_revoking_reaches_the_gateway_with_its_table_and_ends_a_token_it_has_seen(guarded):
    text = token("predict:sums", id="stolen")
    assert predict(guarded, bearer(text)).status_code == 200
    apply(guarded, msgspec.structs.replace(guarded.plane.desired, revoked_tokens=("stolen",)))
    assert predict(guarded, bearer(text)).status_code == 401


def test_feedback_needs_the_scope_and_carries_the_name_of_the_token(guarded):
    headers = bearer(token("predict:sums", "feedback:sums", name="shop"))
    prediction_id = predict(guarded, headers).headers["x-prediction-id"]
    body = {"prediction_id": prediction_id, "name": "label", "value": 1, "source": "admin"}
    refused = guarded.client.post("/v1/feedback", json=body, headers=bearer(token("predict:sums", "feedback:other")))
    assert refused.status_code == 403
    assert guarded.client.post("/v1/feedback", json=body, headers=headers).status_code == 202
    sources = wait_for(lambda: sources_of(guarded.home, prediction_id), "the label in Parquet")
    assert sources == ["shop (said to be admin)"]


def sources_of(home, prediction_id):
    import duckdb

    files = [str(path) for path in (home / "tables/labels").rglob("*.parquet")]
    if not files:
        return []
    rows = duckdb.read_parquet(files).filter(f"prediction_id = '{prediction_id}'").project("source").fetchall()
    return [source for (source,) in rows]


def test_one_source_cannot_repeat_a_label_without_limit(guarded):
    headers = bearer(token("predict:sums", "feedback:sums", name="loud"))
    prediction_id = predict(guarded, headers).headers["x-prediction-id"]
    body = json.dumps({"prediction_id": prediction_id, "name": "label", "value": 1}).encode()
    lines = b"\n".join([body] * (MAX_PER_LABEL + 2))
    answer = guarded.client.post("/v1/feedback:batch", content=lines, headers=headers)
    states = [json.loads(line)["status"] for line in answer.text.splitlines()]
    assert states == ["accepted"] * MAX_PER_LABEL + ["error"] * 2
    assert guarded.client.post("/v1/feedback", content=body, headers=headers).status_code == 429
    other = bearer(token("feedback:sums", name="calm"))
    assert guarded.client.post("/v1/feedback", content=body, headers=other).status_code == 202


def test_the_limit_of_a_label_ends_with_its_hour():
    now = [0.0]
    limit = FeedbackLimit(lambda: now[0])
    refusals = [limit.refusal("shop", ("p", "0", "label")) for _ in range(MAX_PER_LABEL + 1)]
    assert [bool(refusal) for refusal in refusals] == [False] * MAX_PER_LABEL + [True]
    now[0] = 3601.0
    assert limit.refusal("shop", ("p", "0", "label")) == ""


def test_guessing_is_limited_and_known_tokens_go_on(tmp_path):
    harness = gateway_harness.GatewayHarness(tmp_path, HELICLINE_AUTH="token")
    try:
        apply(harness, msgspec.structs.replace(harness.plane.desired, token_key=SIGNER.public_key))
        valid = bearer(token("metrics"))
        assert harness.client.get("/metrics", headers=valid).status_code == 200
        answers = [harness.client.get("/metrics", headers=bearer(f"hls_{number}")) for number in range(12)]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
        assert "retry-after" in answers[-1].headers
        assert harness.client.get("/metrics", headers=valid).status_code == 200
    finally:
        harness.close()


def test_before_the_key_has_come_the_answer_says_to_try_again(tmp_path):
    harness = gateway_harness.GatewayHarness(tmp_path, HELICLINE_AUTH="token")
    try:
        assert harness.client.get("/metrics", headers=bearer(token("metrics"))).status_code == 503
    finally:
        harness.close()
