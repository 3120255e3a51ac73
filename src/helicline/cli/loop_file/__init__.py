"""A Python file that defines loops: read, checked with its lines, recorded."""
