"""Traces of models and agents, with spans, assessments and statistics."""

from helicline.trace.arrival import Rejection, arrivals
from helicline.trace.correlation import Correlation, correlate
from helicline.trace.derived import INTERNAL_KEYS
from helicline.trace.measure import Aggregation, MeasureQuery, Point, measure
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
    "INTERNAL_KEYS",
    "Aggregation",
    "Correlation",
    "MeasureQuery",
    "Point",
    "Rejection",
    "add_spans",
    "arrivals",
    "begin_trace",
    "change_trace",
    "correlate",
    "delete_traces",
    "end_trace",
    "get_trace",
    "link_run",
    "measure",
    "put_trace",
    "search_traces",
    "tag_trace",
    "trace_spans",
    "untag_trace",
]
