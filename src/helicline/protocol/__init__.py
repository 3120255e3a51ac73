"""Wire formats: one package for each protocol; each translates between the wire and records, and decides nothing."""
