"""Evaluation in the MLflow protocol: evaluation datasets and scorers."""
