"""A request becomes an event: verification, bodies, redaction, rejects."""
