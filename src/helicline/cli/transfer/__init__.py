"""Copies of a whole MLflow: into Helicline, and out of it again, over MLflow's own REST wire on both sides."""
