"""The actor of a change over the admin API: the token, and the name that its client gives."""

from __future__ import annotations

from bridge.core.text import replace_unprintable
from bridge.web.admin import limits


def name_actor(token: str, said: str) -> str:
    """Return the name of the token, with the client's own name for the actor in parentheses.

    A client may choose any name, so it is bounded, and stands for nothing but itself. Characters
    that are not printable are replaced.
    """
    actor = said.encode("latin-1", "replace").decode("utf-8", "replace")
    actor = replace_unprintable(actor).strip()
    return f"{token} ({actor[: limits.MAX_ACTOR_CHARS]})" if actor else token
