"""Checks of the health conditions: pure functions of an `Overview`, by subject."""
