"""The listener: HTTP in, frames out, answers back in order; never parses a model payload."""
