"""Walks through the records: lineage both ways, the card of a version, `why` from a prediction back."""
