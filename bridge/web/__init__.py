"""The web edge: HTTP in, HTTP out."""
