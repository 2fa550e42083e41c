"""Actions on events and deliveries: build, run, throttle."""
