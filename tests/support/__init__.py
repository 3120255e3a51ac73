"""What many tests use: servers, records, recorded disks, and waiting with a limit."""
