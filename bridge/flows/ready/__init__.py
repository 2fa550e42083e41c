"""Ready-made flows of the local platform."""
