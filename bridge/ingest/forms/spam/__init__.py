"""Spam checks of form submissions."""
