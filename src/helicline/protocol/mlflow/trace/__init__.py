"""Traces in the MLflow protocol: version 3 of its API, the older API, and spans as OTLP."""
