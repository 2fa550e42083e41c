"""The servers: gunicorn and its workers, the event loop, and calls by another ASGI server."""
