"""Runs and all that is logged to them."""
