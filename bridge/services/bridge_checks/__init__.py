"""Checks of a running bridge: that good requests get in, and forgeries stay out."""
