"""The MLflow protocol: requests of the MLflow client, translated to functions of the rooms, and their answers."""
