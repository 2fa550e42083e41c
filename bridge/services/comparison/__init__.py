"""Deliveries compared: of two configurations, and of a shadow route with the live one."""
