"""Steps of pipelines: what flows between them, their parameters, and their run in this process."""
