"""Settings and routes.yaml: read, validated, built into records."""
