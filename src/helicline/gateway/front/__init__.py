"""The HTTP server: a request becomes a call of a worker, and its answer the response; no model payload is parsed."""
