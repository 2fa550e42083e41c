"""Deliveries whose outcome is unknown: evidence about their runs."""
