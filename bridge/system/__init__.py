"""What any process needs of the machine: logs, ids, HTTP client, wake-up, shared memory."""
