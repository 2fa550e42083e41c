"""Details of events and deliveries, for commands, console and API."""
