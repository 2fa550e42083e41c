"""The delivery queue: claims, leases, ledger, ordering, limits, reconciliation."""
