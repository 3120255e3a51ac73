"""Traces on the MLflow wire: version 3 of its API, and the spans that its client sends as OTLP."""
