"""Edges: wire forms to records and back, no decisions."""
