"""Explanations of what routes do with an event, and why."""
