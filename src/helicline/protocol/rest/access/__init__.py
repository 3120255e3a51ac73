"""Who may do what, over HTTP: sessions and tokens."""
