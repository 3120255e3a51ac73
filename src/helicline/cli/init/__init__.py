"""`hl init`: a project that runs, from a template and a look at the user's table."""
