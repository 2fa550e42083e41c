"""Process-level services: logs, ids, HTTP client, wake-up, shared memory, fsync."""
