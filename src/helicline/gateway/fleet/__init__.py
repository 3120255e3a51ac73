"""The revisions that are loaded here: files, environments, processes and the links to them."""
