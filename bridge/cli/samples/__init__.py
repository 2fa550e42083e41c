"""Signed samples and forgeries."""
