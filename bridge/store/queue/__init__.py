"""The queue: claims, leases, ledger, order, limits, reconciling."""
