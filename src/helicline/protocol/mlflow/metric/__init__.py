"""Metric points on the wire: how they come in fast, and how histories go out."""
