"""The receiving edge on an event loop: connections, gathered commits, Flask in a thread pool."""
