"""Queries, nearly all read-only."""
