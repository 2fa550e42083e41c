"""Flow platforms: how each starts a flow, and how its answers read."""
