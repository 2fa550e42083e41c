"""Explanations of an event's routes: each clause with its value, near misses and inputs."""
