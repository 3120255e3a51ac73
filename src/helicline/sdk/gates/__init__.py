"""Gates as code: their checks, and the metrics that these measure."""
