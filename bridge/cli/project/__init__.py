"""The files of a project: routes.yaml, .env."""
