"""The revisions that are loaded here: files, environments, processes and the connections to them."""
