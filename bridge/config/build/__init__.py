"""Build the records of routing from the validated document."""
