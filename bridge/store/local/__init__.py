"""Flows, runs and files of the local platform."""
