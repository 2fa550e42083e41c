"""Records, errors and pure helpers that every other package uses."""
