"""A delivery becomes a run: attempt, retry, reconcile, circuit breaker, fair share."""
