"""Gates: checks, the judge's evidence, and verdicts."""
