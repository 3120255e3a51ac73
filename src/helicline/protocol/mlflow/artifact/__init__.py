"""Artifacts in the MLflow protocol: through the server, directly from the bucket, and by links to single files."""
