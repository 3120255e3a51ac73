"""Deployments: revisions, routing, rollouts under guards, and the prediction log."""
