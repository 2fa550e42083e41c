"""The web console: `/console` on the private listener."""
