"""Environments of steps and models: what is asked for, resolved to versions, and built by uv, one folder a content."""
