"""How units of work are committed: by one thread on SQLite, by a small pool on PostgreSQL."""
