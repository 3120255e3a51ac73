"""Spans a second over OTLP: Helicline's server and the stock `mlflow server`, durable before the answer.

usage: python bench/otlp.py [--database postgresql] [--seconds 3] [--alone]

A request is protobuf with 100 spans: ten new traces of ten spans each, with attributes as MLflow's own client sends.
"""

import functools
import os

from load import measure, request
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from servers import Server, arguments, pair
from tracking import compare, prepared

SPANS, TRACES = 100, 10
START_NS = 1_700_000_000_000_000_000
TEXT = '{"messages": [{"role": "user", "content": "What does the contract say of notice periods?"}]}'


def template() -> tuple[bytes, list[bytes]]:
    """Return a request of spans, and its ids: each is there to be replaced by another of its length."""
    message, ids = ExportTraceServiceRequest(), []
    spans = message.resource_spans.add().scope_spans.add().spans
    for number in range(SPANS):
        first, at = divmod(number, SPANS // TRACES)
        if at == 0:
            ids.append(os.urandom(16))
            trace, parent = ids[-1], b""
        ids.append(os.urandom(8))
        span = spans.add(trace_id=trace, span_id=ids[-1], parent_span_id=parent, name=f"step {at}", kind=1)
        span.start_time_unix_nano = START_NS + first * 1_000_000 + at * 1000
        span.end_time_unix_nano = span.start_time_unix_nano + 900
        for key, text in (("mlflow.spanType", '"CHAIN"'), ("mlflow.spanInputs", TEXT), ("model", '"m-small"')):
            span.attributes.add(key=key).value.string_value = text
        span.attributes.add(key="attempt").value.int_value = at
        span.status.code = 1
        parent = parent or span.span_id
    return message.SerializeToString(), ids


BODY, IDS = template()


def export() -> bytes:
    """Return a request of spans that no server has seen."""
    body = BODY
    for sample_id in IDS:
        body = body.replace(sample_id, os.urandom(len(sample_id)))
    head = request("POST", "/v1/traces", body, "application/x-protobuf")
    return head.replace(b"\r\n\r\n", b"\r\nx-mlflow-experiment-id: 0\r\n\r\n", 1)


def main() -> None:
    options = arguments(__doc__)
    with pair(options.database, alone=options.alone) as (own_server, peer_server, _):
        print(f"{options.database}; {'spans':<34} {'helicline':>8} {'mlflow':>9} {'ratio':>8}")

        def loaded(connections: int, most: int, server: Server):
            return measure(server.port, connections, options.seconds, prepared(export, most))

        for connections in (1, 4):
            # requests are made before the clock runs, more than either server can take
            own_load = functools.partial(loaded, connections, int(600 * (options.seconds + 1)), own_server)
            few = int(60 * (options.seconds + 1))
            other = None if peer_server is None else functools.partial(loaded, connections, few, peer_server)
            compare(f"100 spans a request, {connections} connections", own_load, other, SPANS)
        print(
            f"memory: {own_server.resident_mb():.0f} MB"
            + ("" if peer_server is None else f" / {peer_server.resident_mb():.0f} MB")
        )


if __name__ == "__main__":
    main()
