"""Generated mutants that change nothing that anyone can see, by their id, with the reason."""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {}
