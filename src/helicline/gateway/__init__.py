"""The data plane: front, model workers, routing page; lives on without the server."""
