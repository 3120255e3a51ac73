"""Parts of a loop as code: contracts of its data, and channels to its people."""
