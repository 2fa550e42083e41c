"""The types that a compiled expression consists of. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bridge.core.model import JSON


class Evaluation:
    """The state of one evaluation: the roots, and the size of the values made so far."""

    __slots__ = ("output_size", "roots")

    def __init__(self, roots: Mapping[str, JSON]) -> None:
        self.roots = roots
        self.output_size = 0


Step = Callable[[JSON, Evaluation], JSON]
