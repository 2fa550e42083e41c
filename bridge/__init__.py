"""flowbridge: a webhook-to-flow event bridge."""

__version__ = "0.2.0"
