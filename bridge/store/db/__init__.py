"""The database: connections, commits, locks, clock, disk space, wake-ups."""
