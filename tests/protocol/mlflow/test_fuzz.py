"""Whatever is sent, the answer is one of ours: never a 5xx, and it comes."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from helicline.protocol.mlflow.trace import otlp, otlp_json
from helicline.protocol.mlflow.trace.otlp import MAX_NS, Malformed
from helicline.trace import usage
from helicline.trace.span import groups_of, pack_spans, unpack_spans

TWO, THREE = "/api/2.0/mlflow", "/api/3.0/mlflow"
often = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
seldom = settings(often, max_examples=25)

WORDS = [
    "metrics",
    "params",
    "tags",
    "tag",
    "attributes",
    "attribute",
    "run",
    "dataset",
    "span",
    "feedback",
    "expectation",
    "metadata",
    "request_metadata",
    "trace",
    "issue",
    "name",
    "status",
    "k",
    "run_id",
    "start_time",
    "creation_time",
    "text",
    "content",
    "type",
    "attributes.x",
    "AND",
    "and",
    "OR",
    "NOT",
    "IN",
    "IS",
    "NULL",
    "LIKE",
    "ILIKE",
    "RLIKE",
    "=",
    "!=",
    "<",
    ">",
    "<=",
    ">=",
    "(",
    ")",
    ",",
    ".",
    ";",
    "`",
    '"',
    "'",
    "'a'",
    '"b"',
    "'%'",
    "'_%_%'",
    "'(a+)+$'",
    "'['",
    "1",
    "-1",
    "1e3",
    "1e999",
    "0x1",
    "9999999999999999999999",
    "--",
    "/*",
    "*/",
    "\\",
    "\x00",
    "é",
    "日",
    "😀",
    "SELECT",
    "DROP",
]
clause = st.builds(
    lambda *parts: " ".join(parts),
    st.sampled_from(
        ["metrics.k", "params.k", "tags.`a b`", "name", "status", "span.name", "feedback.x", "run_id", "text"]
    ),
    st.sampled_from(["=", "!=", "<", "LIKE", "ILIKE", "RLIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"]),
    st.sampled_from(["'a'", "1", "('a', 'b')", "()", "", "'%'", "'(x+x+)+y'", "'\\'", "NULL", "1e999"]),
)
texts = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=14).map("".join),
    st.lists(clause, max_size=4).map(" AND ".join),
    st.text(max_size=60),
)
SEARCHES = [
    ("POST", f"{TWO}/experiments/search", "filter", {"max_results": 5}),
    ("POST", f"{TWO}/runs/search", "filter", {"experiment_ids": ["0"]}),
    ("POST", f"{TWO}/logged-models/search", "filter", {"experiment_ids": ["0"]}),
    ("GET", f"{TWO}/registered-models/search", "filter", {}),
    ("GET", f"{TWO}/model-versions/search", "filter", {}),
    ("GET", f"{TWO}/traces", "filter", {"experiment_ids": ["0"]}),
    ("POST", f"{THREE}/traces/search", "filter", {"locations": [{"mlflow_experiment": {"experiment_id": "0"}}]}),
    ("POST", f"{THREE}/datasets/search", "filter_string", {}),
]


def ask(http, method: str, path: str, body: dict):
    try:
        content = json.dumps(body).encode() if method == "POST" else b""
    except UnicodeEncodeError:
        content = json.dumps(body, ensure_ascii=True).encode()
    if method == "GET":
        plain = {
            name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
            for name, value in body.items()
        }
        return http.get(path, params=plain)
    return http.request(method, path, content=content, headers={"content-type": "application/json"})


@pytest.fixture(scope="module", autouse=True)
def world(server):
    """Something for every search to look at."""
    import httpx

    with httpx.Client(base_url=server.url, timeout=30) as http:
        run = http.post(f"{TWO}/runs/create", json={"experiment_id": "0"}).json()["run"]["info"]["run_id"]
        pair = [{"key": "k", "value": "a"}]
        points = [{"key": "k", "value": 1, "timestamp": 1}]
        http.post(f"{TWO}/runs/log-batch", json={"run_id": run, "metrics": points, "params": pair, "tags": pair})
        http.post(f"{TWO}/logged-models", json={"experiment_id": "0", "name": "a", "params": pair, "tags": pair})
        http.post(f"{TWO}/registered-models/create", json={"name": f"fuzz-{run[:8]}", "tags": pair})
        http.post(f"{THREE}/datasets/create", json={"name": "a", "tags": '{"k": "a"}'})
        place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}
        info = {"trace_id": f"tr-{run}", "trace_location": place, "tags": {"k": "a"}}
        http.post(f"{THREE}/traces", json={"trace": {"trace_info": info}})


@pytest.mark.parametrize(("method", "path", "field", "body"), SEARCHES, ids=[path for _, path, _, _ in SEARCHES])
def test_any_filter_and_order_is_answered(http, method, path, field, body):
    @often
    @given(texts, st.one_of(st.none(), texts))
    def send(text, order):
        answer = ask(http, method, path, body | {field: text} | ({} if order is None else {"order_by": [order]}))
        assert answer.status_code in (200, 400), answer.text
        assert answer.status_code == 200 or answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"

    send()


json_value = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
BODIES = [
    ("POST", f"{TWO}/experiments/create", "name artifact_location tags"),
    ("POST", f"{TWO}/runs/create", "experiment_id run_name start_time tags user_id"),
    ("POST", f"{TWO}/runs/log-batch", "run_id metrics params tags"),
    ("POST", f"{TWO}/runs/log-metric", "run_id key value timestamp step model_id dataset_name dataset_digest"),
    ("POST", f"{TWO}/runs/log-inputs", "run_id datasets models"),
    ("POST", f"{TWO}/runs/log-model", "run_id model_json"),
    ("POST", f"{TWO}/logged-models", "experiment_id name params tags source_run_id"),
    ("POST", f"{TWO}/logged-models/search", "experiment_ids filter datasets order_by max_results page_token"),
    ("POST", f"{TWO}/model-versions/create", "name source run_id model_id tags"),
    ("POST", f"{TWO}/registered-models/alias", "name alias version"),
    ("POST", f"{TWO}/traces", "experiment_id timestamp_ms request_metadata tags"),
    ("PATCH", f"{TWO}/traces/tr-x", "timestamp_ms status request_metadata tags"),
    ("POST", f"{THREE}/traces", "trace"),
    ("POST", f"{THREE}/traces/search", "locations filter order_by max_results page_token"),
    ("POST", f"{THREE}/traces/tr-x/assessments", "assessment"),
    ("POST", f"{TWO}/traces/delete-traces", "experiment_id request_ids max_timestamp_millis max_traces"),
    ("POST", f"{THREE}/datasets/create", "name experiment_ids tags"),
    ("POST", f"{THREE}/datasets/d-x/records", "records"),
    ("POST", f"{THREE}/scorers/register", "experiment_id name serialized_scorer"),
    ("POST", f"{TWO}/webhooks", "name url events secret status description"),
]


@pytest.mark.parametrize(("method", "path", "names"), BODIES, ids=[path for _, path, _ in BODIES])
def test_any_body_is_answered(http, method, path, names):
    fields = st.dictionaries(st.sampled_from(names.split()), json_value, max_size=6)

    @seldom
    @given(fields)
    def send(body):
        content = json.dumps(body).encode()
        answer = http.request(method, path, content=content, headers={"content-type": "application/json"})
        assert answer.status_code < 500, answer.text
        assert answer.status_code == 200 or answer.json()["error_code"]

    send()


def valid() -> bytes:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.parent_span_id, span.name = bytes([7] * 16), bytes([9] * 8), bytes([8] * 8), "one"
    span.start_time_unix_nano, span.end_time_unix_nano = 10, 20
    span.attributes.add(key="list").value.array_value.values.add().kvlist_value.values.add(
        key="a"
    ).value.double_value = 1.5
    span.events.add(name="e", time_unix_nano=5)
    span.links.add(trace_id=bytes([1] * 16), span_id=bytes([2] * 8))
    span.status.code = 2
    return request.SerializeToString()


VALID_BODY = valid()
changes = st.lists(st.tuples(st.integers(0, len(VALID_BODY) - 1), st.integers(0, 255)), min_size=1, max_size=6)


def bent(changed, cut: int) -> bytes:
    body = bytearray(VALID_BODY)
    for place, byte in changed:
        body[place] = byte
    return bytes(body[: len(body) - cut])


@settings(often, max_examples=400)
@given(st.one_of(st.binary(max_size=80), st.builds(bent, changes, st.integers(0, 20))))
def test_any_bytes_are_spans_or_malformed(body):
    try:
        export = otlp.read(body)
    except Malformed:
        return
    spans = unpack_spans("t", [pack_spans(groups_of(export.resource_spans))])
    json.dumps([span.body for span in spans])
    assert all(0 <= span.start_ns < MAX_NS for span in spans)


otlp_field = st.sampled_from(
    [
        "resourceSpans",
        "scopeSpans",
        "spans",
        "traceId",
        "spanId",
        "parentSpanId",
        "name",
        "startTimeUnixNano",
        "attributes",
        "key",
        "value",
        "stringValue",
        "arrayValue",
        "values",
        "kvlistValue",
        "events",
        "links",
        "status",
        "code",
        "kind",
        "flags",
        "intValue",
        "doubleValue",
        "bytesValue",
    ]
)
otlp_value = st.recursive(
    st.one_of(st.sampled_from(["07" * 16, "09" * 8, "1", "x", 2, -1, 1e400, None, True]), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(otlp_field, inner, max_size=4)),
    max_leaves=25,
)


@settings(often, max_examples=300)
@given(st.one_of(otlp_value, otlp_value.map(lambda span: {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})))
def test_any_json_is_spans_or_malformed(document):
    try:
        export = otlp_json.read(json.dumps(document).encode())
    except Malformed:
        return
    spans = unpack_spans("t", [pack_spans(groups_of(export.resource_spans))])
    json.dumps([span.body for span in spans])


@often
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 4), json_value), max_size=6))
def test_any_span_tree_is_summed_up_even_where_parents_go_in_a_circle(rows):
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [
        {"traceId": "07" * 16, "spanId": f"{number:016x}", "parentSpanId": f"{parent:016x}" if parent else "",
         "attributes": [{"key": "mlflow.chat.tokenUsage", "value": {"stringValue": json.dumps(expected)}}]}
        for number, parent, expected in rows
    ]}]}]}  # fmt: skip
    pack = pack_spans(groups_of(otlp_json.read(json.dumps(body).encode()).resource_spans))
    for value in usage.metadata_of(unpack_spans("t", [pack])).values():
        json.loads(value)
