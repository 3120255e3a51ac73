"""The client side of the public face: authoring, handles, HTTP client. Sees ground floor and records only."""
