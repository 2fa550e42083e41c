"""Signature schemes as data over one engine. Pure.

Raw bytes only, constant-time comparison only, and without a usable secret nothing gets in. A scheme
is chosen by the source's configuration, never by what was sent.
"""
