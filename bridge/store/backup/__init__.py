"""Backups: archive, files, restore."""
