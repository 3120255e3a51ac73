"""Files of spans as clients of several versions wrote them become the same OTLP."""

import base64
import json

import pytest

from helicline.cli.transfer.traces import _otlp_of_file_span
from helicline.protocol.mlflow.trace import otlp_json
from helicline.trace.span import read_span

TRACE, SPAN, PARENT = "5e" * 16, "0a" * 8, "0b" * 8
ATTRIBUTES = {"mlflow.traceRequestId": '"tr-other"', "mlflow.spanInputs": '{"q": 1}'}
EVENTS = [{"name": "exception", "attributes": {"message": "no", "depth": 3, "last": True, "share": 0.5}}]


def b64(text):
    return base64.b64encode(bytes.fromhex(text)).decode()


def since_3(ids, code):
    return {
        "trace_id": ids[0],
        "span_id": ids[1],
        "parent_span_id": ids[2],
        "name": "step",
        "start_time_unix_nano": 10,
        "end_time_unix_nano": 2**62,
        "events": [event | {"time_unix_nano": 11} for event in EVENTS],
        "status": {"code": code, "message": "broke"},
        "attributes": ATTRIBUTES,
        "links": [],
    }


BEFORE_3 = {
    "name": "step",
    "context": {"span_id": f"0x{SPAN}", "trace_id": f"0x{TRACE}"},
    "parent_id": f"0x{PARENT}",
    "start_time": 10,
    "end_time": 2**62,
    "status_code": "ERROR",
    "status_message": "broke",
    "attributes": ATTRIBUTES,
    "events": [event | {"timestamp": 11} for event in EVENTS],
}
SPELLINGS = {
    "3": since_3((b64(TRACE), b64(SPAN), b64(PARENT)), "STATUS_CODE_ERROR"),
    "3.5": since_3((f"tr-{TRACE}", SPAN, PARENT), "ERROR"),
    "2": BEFORE_3,
}


@pytest.mark.parametrize("version", SPELLINGS)
def test_a_span_of_a_file_is_read_whoever_wrote_it(version):
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [_otlp_of_file_span(SPELLINGS[version], "tr-mine")]}]}]}
    (span,) = otlp_json.read(json.dumps(document).encode()).resource_spans[0].scope_spans[0].spans
    body = read_span("tr-mine", span).body
    assert (body["trace_id"], body["span_id"], body["parent_span_id"]) == (b64(TRACE), b64(SPAN), b64(PARENT))
    assert (body["start_time_unix_nano"], body["end_time_unix_nano"]) == (10, 2**62)
    assert body["status"] == {"message": "broke", "code": 2}
    assert {pair["key"]: pair["value"] for pair in body["attributes"]} == {
        "mlflow.traceRequestId": {"string_value": "tr-mine"},
        "mlflow.spanInputs": {"kvlist_value": {"values": [{"key": "q", "value": {"int_value": 1}}]}},
    }
    (event,) = body["events"]
    assert {pair["key"]: pair["value"] for pair in event["attributes"]} == {
        "message": {"string_value": "no"},
        "depth": {"int_value": 3},
        "last": {"bool_value": True},
        "share": {"double_value": 0.5},
    }


def test_where_a_trace_is_called_by_an_id_of_its_spans_they_have_it():
    assert _otlp_of_file_span(BEFORE_3, f"tr-{'7f' * 16}")["traceId"] == "7f" * 16


def test_a_root_has_no_parent():
    root = SPELLINGS["3"] | {"parent_span_id": None}
    assert _otlp_of_file_span(root, "tr-mine")["parentSpanId"] == ""
