"""Deployments in operation: assignment, the prediction log and what is read from it."""
