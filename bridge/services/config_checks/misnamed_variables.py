"""Environment variables that look like settings of flowbridge and are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.config.settings import Settings


def find_misnamed_variables(settings: Settings, routes: str) -> list[str]:
    """Return what is to be said of variables that are called as settings are, and are none;
    `routes` is the text that may ask for them.
    """
    from bridge.config.settings import NAMES, PREFIX, strange
    from bridge.routing.expressions.roots import near

    known = [name.removeprefix(PREFIX) for name in sorted(NAMES)]
    found = []
    for name in strange(settings.environ):
        if f"${{env:{name}}}" not in routes:
            hint = near(name.removeprefix(PREFIX), known).strip().replace("`", f"`{PREFIX}", 1)
            found.append(
                f"{name} is no setting of flowbridge"
                + (f"; {hint}" if hint else ", and routes.yaml does not ask for it")
            )
    return found
