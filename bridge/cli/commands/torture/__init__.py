"""`flowbridge torture`."""
