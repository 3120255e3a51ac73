"""Workers, which lease attempts and run each in a process of its own."""
