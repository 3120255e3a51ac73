"""The database and the blob store: one file for each noun, plain functions."""
