"""Status, health conditions, alerts, metrics, traces."""
