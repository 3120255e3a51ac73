"""The control plane: assembly of the edges, authentication, the permission table, streams."""
