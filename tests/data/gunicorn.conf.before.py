"""gunicorn by itself, as `flowbridge web` runs it; in the folder of routes.yaml, beside a
`flowbridge work`:

    gunicorn -c /path/to/deploy/gunicorn.conf.py

Addresses and all else come from the environment and `.env` (docs/settings.md). A setting below the
last line is yours to add.
"""

import os

from bridge.cli.wsgi import begin
from bridge.logs import configure
from bridge.settings import load_settings
from bridge.web.serving import options

_settings = load_settings(os.environ)
configure(_settings.log, _settings.log_addresses)
wsgi_app = "bridge.cli.wsgi:create()"
globals().update(options(_settings, begin))
