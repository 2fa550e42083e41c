"""The worker: claims deliveries, sends them, tracks the runs."""
