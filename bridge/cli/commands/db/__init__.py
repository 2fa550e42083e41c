"""`flowbridge db`."""
