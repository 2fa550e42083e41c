"""Periodic maintenance jobs."""
