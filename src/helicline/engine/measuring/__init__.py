"""What the judge measures of a model: built-in metrics and those of the loop file, and their paired comparison."""
