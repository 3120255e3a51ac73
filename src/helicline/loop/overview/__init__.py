"""Where everything stands now: the stations of the ring, and what needs a person."""
