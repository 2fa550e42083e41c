"""Answers to the requests by which a provider tests a URL before it sends events."""
