"""Monitors of deployments: their windows, what they say of broken data, and what a person accepts as normal."""
