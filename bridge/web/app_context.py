"""The values that the application is created from, before the receivers are forked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bridge.config.settings import Settings
from bridge.routing.model import Config
from bridge.store.db.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class AppContext:
    """Hold what `create_app` needs.

    `config` returns the current configuration; `wake` wakes the worker of this process tree;
    `status` returns what an administrator may see of the configuration and the processes.
    """

    settings: Settings
    config: Callable[[], Config]
    database: Database
    wake: Callable[[], None]
    status: Callable[[], dict[str, Any]] = dict
