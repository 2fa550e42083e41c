"""Receives webhooks and form submissions, under any HTTP server."""
