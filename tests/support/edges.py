"""The HTTP edges of a receiver: a test whose bridge has `edge` in its environment runs on each."""

from __future__ import annotations

import pytest

#: The edges, by the settings that choose them.
EDGES: dict[str, dict[str, str]] = {
    "flask": {"FLOWBRIDGE_EDGE": "flask"},
    "async": {"FLOWBRIDGE_EDGE": "async"},
}


@pytest.fixture(scope="module", params=EDGES)
def edge(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment that chooses an edge."""
    return EDGES[request.param]
