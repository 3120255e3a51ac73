"""One process per model revision: loads, proves, warms and answers; standard library and NumPy only."""
