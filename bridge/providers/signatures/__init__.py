"""Signature schemes as data over one engine. Pure.

Schemes use raw bytes and constant-time comparison only, and refuse everything without a usable
secret. The source's configuration chooses the scheme, never the request.
"""
