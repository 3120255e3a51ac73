"""The MLflow scoring protocol: what `/invocations` takes and answers."""
