"""Evaluation on the MLflow wire: datasets of examples, and scorers."""
