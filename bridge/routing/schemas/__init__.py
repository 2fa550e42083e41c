"""JSON Schema validation, bounded in time and depth."""
