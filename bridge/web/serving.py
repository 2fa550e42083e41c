"""Deprecated, removed in 0.2: for older copies of deploy/gunicorn.conf.py, which import
`bridge.web.serving`.
"""

import warnings

from bridge.web.server.app import options

__all__ = ["options"]

warnings.warn(
    "bridge.web.serving has moved: copy deploy/gunicorn.conf.py anew", FutureWarning, stacklevel=2
)
