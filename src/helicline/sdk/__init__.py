"""The Python SDK: authoring of pipelines and loops, handles, HTTP client. It imports ground floor and records only."""
