"""The files of a project, changed in place: routes.yaml and .env."""
