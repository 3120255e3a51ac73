"""The writers: they commit units of work, on SQLite in one thread, on PostgreSQL in a small pool."""
