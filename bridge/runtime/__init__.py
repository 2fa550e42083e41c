"""Processes: startup, supervisor, handover, watchdog, reload."""
