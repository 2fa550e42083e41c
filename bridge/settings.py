"""Deprecated, removed in 0.2: for older copies of deploy/gunicorn.conf.py, which import
`bridge.settings`.
"""

import warnings

from bridge.config.settings import load_settings

__all__ = ["load_settings"]

warnings.warn(
    "bridge.settings has moved: copy deploy/gunicorn.conf.py anew", FutureWarning, stacklevel=2
)
