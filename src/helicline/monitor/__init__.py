"""Monitors: profiles, windows, findings, and alerts as incidents."""
