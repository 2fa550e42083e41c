"""Reload of routes.yaml while all processes run.

The reader waits until the files have not changed for a moment, checks them as at a start, stores
the configuration in the database, and then writes its parts to memory that all processes of a tree
share. Each process builds its own configuration from there and swaps it between two requests, or
two turns. So all processes use the same configuration, and no event is routed by a half-written
file. The problems of a file are in the shared memory as well, beside the last valid configuration.
"""
