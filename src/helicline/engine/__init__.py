"""Where work runs: workers that lease attempts and run each in a process of its own."""
