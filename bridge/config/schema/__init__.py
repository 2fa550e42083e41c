"""The document model of routes.yaml, and its JSON Schema for editors."""
