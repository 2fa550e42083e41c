"""Checks for likely mistakes in a valid routes.yaml: misspelt paths and types, flow inputs."""
