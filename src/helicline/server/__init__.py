"""The control plane: the assembled application, authentication, the permission table, streams."""
