"""Build the records of `bridge.routing` from the validated document."""
