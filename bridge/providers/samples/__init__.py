"""One realistic request of each event type of each provider."""
