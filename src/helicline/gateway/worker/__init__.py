"""The model worker, one process a revision; it needs the standard library and NumPy only. `serve` is its main loop."""
