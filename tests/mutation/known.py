"""Mutants made by hand, each a fault that no test noticed once. `tests`: the test files that are to notice it."""

from __future__ import annotations

from typing import Any

KNOWN: list[dict[str, Any]] = []
