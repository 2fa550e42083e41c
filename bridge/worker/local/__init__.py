"""Runs of the local platform."""
