"""The rules of routes.yaml: match, reshape, validate, plan."""
