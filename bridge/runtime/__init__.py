"""Processes: startup, supervisor, handover, watchdog."""
