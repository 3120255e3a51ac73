"""Spans that arrive together, again, in pieces, or where they may not."""

import functools
import itertools
import json

import pytest
import sqlalchemy as sa
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from helicline import trace as traces
from helicline.errors import NotFound
from helicline.store.rows.trace import PACK
from helicline.trace.attribute import attributes
from helicline.trace.span import unpack_spans
from helicline.tracking import create_experiment

TRACE = bytes([7] * 16)
TRACE_ID = f"tr-{TRACE.hex()}"


def span(number, *, parent=0, name="", trace=TRACE, start=10, **attributes):
    new_span = Span(trace_id=trace, span_id=bytes([number] * 8), name=name or f"step {number}")
    new_span.start_time_unix_nano, new_span.end_time_unix_nano = start * 10**6, (start + 5) * 10**6
    new_span.parent_span_id = bytes([parent] * 8) if parent else b""
    for key, text in attributes.items():
        new_span.attributes.add(key=key.replace("__", ".")).value.string_value = text
    return new_span


def arrivals(spans, **resource):
    sent = ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])
    for key, text in resource.items():
        sent.resource.attributes.add(key=key.replace("__", ".")).value.string_value = text
    accepted, rejections = traces.arrivals([sent])
    assert rejections == ()
    return accepted


def add(store, *items):
    return store.write(lambda tx: traces.add_spans(tx, [(experiment, arrivals(spans)) for experiment, spans in items]))


def names(store, trace_id=TRACE_ID):
    return [record.body["name"] for record in store.read(lambda tx: traces.trace_spans(tx, [trace_id]))[trace_id]]


def pack_count(store):
    return store.read(lambda tx: tx.execute(sa.select(sa.func.count()).select_from(PACK)).scalar())


def test_a_request_that_comes_again_adds_nothing(store):
    spans = [span(1), span(2, parent=1, start=11)]
    assert add(store, ("0", spans)) == add(store, ("0", spans)) == [()]
    assert names(store) == ["step 1", "step 2"]
    assert pack_count(store) == 1


def test_a_pack_of_the_older_form_is_read_beside_newer_ones(store):
    old = ScopeSpans(spans=[span(1, name="old"), span(2, parent=1)]).SerializeToString()
    new = arrivals([span(2, parent=1, start=11, name="new")], service__name="shop")[0].pack
    records = unpack_spans(TRACE_ID, [old, new])
    assert [record.body["name"] for record in records] == ["old", "new"]
    resources = [attributes(record).get("resource.service.name") for record in records]
    assert resources == [None, {"string_value": "shop"}]


def test_numbers_that_are_text_stay_text(store):
    sent = arrivals([span(1, code="007", session__id="0012")], service__version="1.10")
    store.write(lambda tx: traces.add_spans(tx, [("0", sent)]))
    (hit,) = store.read(lambda tx: traces.search_traces(tx, ["0"], filter="span.attributes.code = '007'"))[0]
    assert hit.info["tags"]["service.version"] == "1.10"
    assert hit.info["trace_metadata"]["mlflow.trace.session"] == "0012"


def test_the_resource_of_a_root_that_waits_with_its_child_is_the_one_of_the_trace(store):
    child, root = (
        arrivals([span(2, parent=1)], service__name="back"),
        arrivals([span(1)], service__name="front"),
    )
    for order in ((child, root), (root, child)):
        store.write(lambda tx, order=order: traces.add_spans(tx, [("0", item) for item in order]))
        stored = store.read(lambda tx: traces.get_trace(tx, TRACE_ID))
        assert stored.info["tags"]["service.name"] == "front"
        store.write(lambda tx: traces.delete_traces(tx, "0", ids=[TRACE_ID], before_ms=None, max_count=None))


def test_an_info_cannot_set_what_the_server_keeps_in_it(store):
    location = {"mlflow_experiment": {"experiment_id": "0"}}
    info = {"trace_id": TRACE_ID, "trace_location": location, "derived": True, "resource_tags": "x"}
    store.write(lambda tx: traces.put_trace(tx, info))
    assert add(store, ("0", [span(1)])) == [()]
    assert "derived" not in store.read(lambda tx: traces.get_trace(tx, TRACE_ID)).info


def test_a_span_that_comes_again_otherwise_is_its_last_self(store):
    add(store, ("0", [span(1), span(2, parent=1, start=11)]))
    add(store, ("0", [span(2, parent=1, start=11, name="corrected")]))
    assert names(store) == ["step 1", "corrected"]


def test_pieces_of_one_trace_that_wait_together_are_one_trace(store):
    child = span(2, parent=1, start=11, mlflow__chat__tokenUsage='{"input_tokens": 3, "output_tokens": 4}')
    assert add(store, ("0", [child]), ("0", [span(1, name="root")])) == [(), ()]
    assert names(store) == ["root", "step 2"]
    stored = store.read(lambda tx: traces.get_trace(tx, TRACE_ID))
    assert (stored.state, stored.timestamp_ms, stored.duration_ms) == ("OK", 10, 5)
    assert stored.info["tags"]["mlflow.traceName"] == "root"
    assert '"total_tokens":7' in stored.info["trace_metadata"]["mlflow.trace.tokenUsage"]


def test_a_unit_that_is_tried_again_finds_what_came_as_it_came(store):
    first, second = arrivals([span(1)]), arrivals([span(2, parent=1, start=11)])
    before = first[0].pack
    store.write(lambda tx: traces.add_spans(tx, [("0", first), ("0", second)]))
    assert first[0].pack == before


def test_an_id_that_no_trace_can_have_is_rejected_alone():
    spans = [span(1, mlflow__traceRequestId='"a\\u0000b"'), span(2)]
    accepted, (rejection,) = traces.arrivals([ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])])
    assert [arrival.trace_id for arrival in accepted] == [TRACE_ID]
    assert rejection.span_count == 1
    assert "trace_id" in rejection.reason


def test_pieces_that_come_one_after_the_other_make_the_same_trace(store):
    child = span(2, parent=1, start=9, mlflow__chat__tokenUsage='{"input_tokens": 3, "output_tokens": 4}')
    add(store, ("0", [span(1, name="root")]))
    add(store, ("0", [child]))
    stored = store.read(lambda tx: traces.get_trace(tx, TRACE_ID))
    assert (stored.state, stored.timestamp_ms, stored.duration_ms) == ("OK", 9, 6)
    assert '"total_tokens":7' in stored.info["trace_metadata"]["mlflow.trace.tokenUsage"]
    assert pack_count(store) == 2


def test_what_is_refused_leaves_its_neighbours_alone(store):
    own, nowhere = [span(1)], [span(5, trace=bytes([9] * 16))]
    outcomes = add(store, ("0", own), ("999", [*nowhere, span(4)]), ("999", nowhere))
    assert outcomes[0] == ()
    (rejection,) = outcomes[1]
    assert (rejection.span_count, "999" in rejection.reason) == (1, True)
    assert isinstance(outcomes[2], NotFound)
    assert names(store) == ["step 1", "step 4"]
    assert pack_count(store) == 1


@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_by_time_bring_each_trace_once_whatever_comes_meanwhile(store, newest_first):
    for number in range(1, 150):
        add(store, ("0", [span(1, trace=number.to_bytes(16, "big"), start=number // 3)]))
    order = [] if newest_first else ["timestamp_ms ASC"]
    query = {"filter": "timestamp_ms > 4.5", "order_by": order, "max_results": 20}
    trace_infos, token = [], ""
    while True:
        view = functools.partial(traces.search_traces, experiment_ids=["0"], page_token=token, **query)
        page, token = store.read(view)
        trace_infos += page
        add(
            store,
            ("0", [span(1, trace=(1000 + len(trace_infos)).to_bytes(16, "big"), start=1000 if newest_first else 5)]),
        )
        if not token:
            break
    first = [trace for trace in trace_infos if int(trace.trace_id[3:], 16) < 1000]
    times = [trace.timestamp_ms for trace in trace_infos]
    assert times == sorted(times, reverse=newest_first)
    assert sorted(int(trace.trace_id[3:], 16) for trace in first) == list(range(15, 150))


SENT = {
    "info": {
        "trace_id": TRACE_ID,
        "trace_location": {"mlflow_experiment": {"experiment_id": "HOME"}},
        "request_time": "1970-01-01T00:00:00.010Z",
        "tags": {"team": "red"},
        "trace_metadata": {"mlflow.trace.session": "s1"},
    },
    "root": [span(1, name="root", input__value="Hi", output__value="Bye", session__id="s2")],
    "child": [span(2, parent=1, start=11, llm__token_count__total="5")],
    "leaf": [span(3, parent=1, start=12, llm__token_count__total="7")],
}


@pytest.mark.parametrize("order", list(itertools.permutations(SENT)), ids="-".join)
def test_the_order_of_arrival_does_not_matter(store, order):
    home = store.write(lambda tx: create_experiment(tx, "home")).experiment_id
    location = {"mlflow_experiment": {"experiment_id": home}}
    for name in order:
        if name == "info":
            store.write(lambda tx: traces.put_trace(tx, SENT["info"] | {"trace_location": location}))
        else:
            sent = arrivals(SENT[name], service__name="front" if name == "root" else "back")
            assert store.write(lambda tx, sent=sent: traces.add_spans(tx, [("0", sent)])) == [()]
    stored = store.read(lambda tx: traces.get_trace(tx, TRACE_ID))
    info = stored.info
    assert (stored.experiment_id, stored.state, stored.timestamp_ms, stored.duration_ms) == (home, "OK", 10, 5)
    assert (info["request_preview"], info["response_preview"]) == ("Hi", "Bye")
    assert {key: info["tags"][key] for key in ("team", "service.name", "mlflow.traceName")} == {
        "team": "red", "service.name": "front", "mlflow.traceName": "root",
    }  # fmt: skip
    assert info["trace_metadata"]["mlflow.trace.session"] == "s1"
    assert '"total_tokens":12' in info["trace_metadata"]["mlflow.trace.tokenUsage"]


def test_a_large_resource_is_cut_in_spans_and_refused_for_many_traces():
    (arrival,) = arrivals([span(1), span(2, parent=1)], process__command_line="x" * 5000)
    for record in unpack_spans(TRACE_ID, [arrival.pack]):
        assert attributes(record)["resource.process.command_line"]["string_value"] == "x" * 1000 + "..."
    spans = [span(1, trace=number.to_bytes(16, "big")) for number in range(1, 200)]
    sent = ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])
    sent.resource.attributes.add(key="k").value.string_value = "x" * 2**20
    accepted, (rejection,) = traces.arrivals([sent])
    assert (accepted, rejection.span_count) == ([], 199)
    assert "resource" in rejection.reason


@pytest.mark.parametrize(
    "key", ["input__value", "mlflow__spanInputs", "mlflow__llm__cost", "note", "gen_ai__input__messages"]
)
def test_json_that_is_nested_as_deep_as_it_goes_is_stored_searched_and_read(store, key):
    deep = '{"request":[' * 480 + '"core"' + "]}" * 480
    assert add(store, ("0", [span(1, **{key: deep})])) == [()]
    name = key.replace("__", ".")
    for filter in (f"span.attributes.{name} LIKE '%core%'", "trace.text LIKE '%core%'"):
        query = functools.partial(traces.search_traces, experiment_ids=["0"], filter=filter)
        assert len(store.read(query)[0]) == 1, filter
    json.dumps(store.read(lambda tx: traces.trace_spans(tx, [TRACE_ID]))[TRACE_ID][0].body)
