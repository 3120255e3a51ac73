"""Search for runs: filters, orders, pages by position, and keys (note 0011)."""
