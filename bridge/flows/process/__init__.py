"""The processes in which flows run, and their protocol."""
