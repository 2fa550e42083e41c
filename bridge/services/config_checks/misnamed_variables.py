"""Environment variables that look like settings of flowbridge and are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.config.settings import Settings


def find_misnamed_variables(settings: Settings, routes: str) -> list[str]:
    """Return a sentence for each variable that is named like a setting of flowbridge and is none.

    Variables that `routes`, the text of routes.yaml, refers to are left out.
    """
    from bridge.config.settings import VARIABLE_PREFIX, VARIABLES, find_unknown_variables
    from bridge.core.typos import suggest

    setting_names = [name.removeprefix(VARIABLE_PREFIX) for name in sorted(VARIABLES)]
    sentences = []
    for name in find_unknown_variables(settings.environ):
        if f"${{env:{name}}}" not in routes:
            hint = (
                suggest(name.removeprefix(VARIABLE_PREFIX), setting_names)
                .strip()
                .replace("`", f"`{VARIABLE_PREFIX}", 1)
            )
            sentences.append(
                f"{name} is not a setting of flowbridge"
                + (f"; {hint}" if hint else ", and routes.yaml does not refer to it")
            )
    return sentences
