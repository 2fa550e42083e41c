"""Deprecated alias of `bridge.system.logs`, for older copies of deploy/gunicorn.conf.py.

It will be removed in 0.2.
"""

import warnings

from bridge.system.logs import configure

__all__ = ["configure"]

warnings.warn(
    "bridge.logs has moved: copy deploy/gunicorn.conf.py again", FutureWarning, stacklevel=2
)
