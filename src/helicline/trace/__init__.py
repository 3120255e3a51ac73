"""Traces of what models and agents did, span by span."""

from helicline.trace.arrival import arrivals
from helicline.trace.search import search_traces
from helicline.trace.trace import (
    add_spans,
    begin_trace,
    change_trace,
    delete_traces,
    end_trace,
    get_trace,
    link_run,
    put_trace,
    tag_trace,
    trace_spans,
    untag_trace,
)

__all__ = [
    "add_spans",
    "arrivals",
    "begin_trace",
    "change_trace",
    "delete_traces",
    "end_trace",
    "get_trace",
    "link_run",
    "put_trace",
    "search_traces",
    "tag_trace",
    "trace_spans",
    "untag_trace",
]
