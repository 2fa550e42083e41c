"""The configuration that a command uses, with a word on stderr where it is not that of the
files.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from bridge.cli.ui import output
from bridge.core.errors import ConfigError
from bridge.services.usable_config import find_usable

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Config, Source


def good_config(settings: Settings) -> Config:
    """Return the configuration of the files; where these cannot be used, say so and return the last
    good one.
    """
    found = find_usable(settings)
    say_unusable(found.error)
    return found.config


def present_sources(settings: Settings) -> Mapping[str, Source]:
    """Return the sources, none where no configuration can be used: stored events can be exported
    and erased all the same.
    """
    with suppress(ConfigError):
        return good_config(settings).sources
    return {}


def say_unusable(error: ConfigError | None) -> None:
    """Say why the last good configuration is used, where `error` is why."""
    if error is not None:
        output.say(f"{error}\nThat cannot be used: the last good configuration is.")
