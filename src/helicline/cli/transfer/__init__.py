"""Copies of a whole MLflow server into Helicline, and from Helicline, by MLflow's REST API on both sides."""
