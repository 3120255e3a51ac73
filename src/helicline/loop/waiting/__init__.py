"""Rows that wait: what wakes them, who looks after them, and what a wrong clock did to them (note 0029)."""
