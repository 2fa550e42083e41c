"""The actor of a change over the admin API: the token, and the name that its client gives."""

from __future__ import annotations

from bridge.core.text import replace_unprintable
from bridge.web.admin import limits


def name_actor(token: str, said: str) -> str:
    """Return the name of the token, with the client's own name for the actor in parentheses.

    A client may choose any name, so it is bounded, and stands for nothing but itself. Characters
    that are not printable are replaced.
    """
    shown = said.encode("latin-1", "replace").decode("utf-8", "replace")
    shown = replace_unprintable(shown).strip()
    return f"{token} ({shown[: limits.MAX_ACTOR_CHARS]})" if shown else token
