"""Pipelines: runs of static graphs, a content-hash cache, and attempts that workers lease."""
