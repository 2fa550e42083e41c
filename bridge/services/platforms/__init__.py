"""Questions to platforms: their flows, inputs and runs."""
