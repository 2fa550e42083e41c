"""Configurations of other programs, turned into routes.yaml."""
