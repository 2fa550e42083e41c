"""Deprecated alias of `bridge.web.server.app`, for older copies of deploy/gunicorn.conf.py.

It will be removed in 0.2.
"""

import warnings

from bridge.web.server.app import options

__all__ = ["options"]

warnings.warn(
    "bridge.web.serving has moved: copy the current deploy/gunicorn.conf.py",
    FutureWarning,
    stacklevel=2,
)
