"""gunicorn by itself, as `flowbridge web` runs it; in the folder of routes.yaml, beside a
`flowbridge work`:

    gunicorn -c /path/to/deploy/gunicorn.conf.py

Addresses and all else come from the environment and `.env` (docs/settings.md). A setting below the
last line is yours to add.
"""

from bridge.cli.wsgi import gunicorn_options

globals().update(gunicorn_options())
