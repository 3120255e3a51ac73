"""Artifacts on the wire: through the server, past it at the bucket, and behind links."""
