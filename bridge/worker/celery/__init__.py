"""Celery as the transport of calls: `tasks` has what a task does, `app` is the only module that
imports Celery.

The store stays what decides: a task begins an attempt in it, and settles it there by the same
compare-and-set as a worker. Retries, waits and limits are the store's, never the broker's.
"""
