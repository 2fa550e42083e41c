"""Answers to the requests by which a provider proves a URL before it sends events."""
