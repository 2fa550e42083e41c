"""flowbridge: a webhook-to-flow event bridge."""

__version__ = "0.3.0.dev0"
