"""Deprecated, removed in 0.2: for older copies of deploy/gunicorn.conf.py, which import
`bridge.logs`.
"""

import warnings

from bridge.system.logs import configure

__all__ = ["configure"]

warnings.warn(
    "bridge.logs has moved: copy deploy/gunicorn.conf.py anew", FutureWarning, stacklevel=2
)
