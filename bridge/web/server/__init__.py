"""gunicorn: the receivers' worker class, connections, balance."""
