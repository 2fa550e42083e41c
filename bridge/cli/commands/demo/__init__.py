"""`flowbridge demo`."""
