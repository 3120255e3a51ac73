"""The MLflow scoring shapes: what `/invocations` takes and answers."""
