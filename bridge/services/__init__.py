"""The application layer: what the commands, the console and the admin API share."""
