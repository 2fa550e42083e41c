"""Checks of a valid routes.yaml for likely mistakes: misspelt paths and types, flow inputs."""
