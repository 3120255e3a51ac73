"""Monitors: profiles, statistical tests, findings, and alerts."""
