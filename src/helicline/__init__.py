"""Helicline: the whole MLOps loop in one program."""
