"""The trash: what is in it, and how it is emptied for good."""
