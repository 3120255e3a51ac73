<<<<<<< HEAD
"""Wire formats: translation and nothing else, one package a protocol."""
=======
"""Edges: wire forms to records and back, no decisions."""
>>>>>>> gateway
