"""Stored events, rejects, submissions and their files."""
