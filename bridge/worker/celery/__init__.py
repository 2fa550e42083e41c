"""Celery as the transport of calls: `tasks` executes a task, `app` and `consumer` import Celery.

The store decides: a task begins an attempt in it and settles it there by the same compare-and-set
as a worker. Retries, waits and limits are the store's, never the broker's.
"""
