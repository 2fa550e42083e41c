"""Deprecated alias of `bridge.config.settings`, for older copies of deploy/gunicorn.conf.py.

It will be removed in 0.2.
"""

import warnings

from bridge.config.settings import load_settings

__all__ = ["load_settings"]

warnings.warn(
    "bridge.settings has moved: copy deploy/gunicorn.conf.py again", FutureWarning, stacklevel=2
)
