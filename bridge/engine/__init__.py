"""Celery makes the calls: `calls` is what a task does, `broker` the only place that knows Celery.

The store stays what decides: a task begins an attempt in it, and settles it there by the same compare-and-set as a worker. Retries,
waits and limits are the store's, never the broker's.
"""
