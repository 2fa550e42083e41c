"""The application layer, shared by the commands, the console and the admin API."""
