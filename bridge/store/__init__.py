"""Where events, deliveries, attempts and runs are kept: the only place that speaks SQL."""
