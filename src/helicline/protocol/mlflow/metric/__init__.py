"""Metrics in the MLflow protocol: fast decoding of logged points, and histories."""
