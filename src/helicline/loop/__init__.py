"""Loops, their turns, and the reconcilers that carry a turn from leg to leg."""
