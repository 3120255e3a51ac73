"""Profiles of dataset versions that are tables: what is in each column, counted by the kernel of the drift monitors.

A version never changes, so its profile is computed when it is first asked for, and stored by content (note 0052).
"""
