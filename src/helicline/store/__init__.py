"""SQL and bytes: one file a noun, plain functions."""
