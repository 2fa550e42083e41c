"""The views of the console: one module for each page, or for a few that belong together."""
