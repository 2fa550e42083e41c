"""Rates of what is sent to a source: what is refused counts for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from records import NOW

from bridge.config.loader import load
from bridge.routing.model import Source
from bridge.web.receiving.rate_limiter import RateLimiter, wait_for_rate

ROUTES = """
version: 1
sources:
  hooks: {provider: hmac, secret: "a-secret-of-more-than-sixteen", rate: 3/min, verify: {header: X-Sig}}
  form: {provider: form, rate: 1000/min and 3/min per address}
"""


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Source]:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    return dict(load(tmp_path / "routes.yaml", {}).sources)


@pytest.mark.parametrize("name", ["hooks", "form"])
def test_requests_that_are_refused_do_not_count(sources: dict[str, Source], name: str) -> None:
    """However many are refused: one is let through as soon as the first of those that were would
    have been forgotten.
    """
    limiter = RateLimiter()
    source = sources[name]
    assert [wait_for_rate(limiter, source, "192.0.2.1", NOW) for _ in range(3)] == [0.0] * 3
    for _ in range(50):
        assert wait_for_rate(limiter, source, "192.0.2.1", NOW) == pytest.approx(20.0)
    assert wait_for_rate(limiter, source, "192.0.2.1", NOW + 19.0) == pytest.approx(1.0)
    assert wait_for_rate(limiter, source, "192.0.2.1", NOW + 20.5) == 0.0
    assert wait_for_rate(limiter, source, "192.0.2.1", NOW + 20.5) > 19.0, "and that one did count"


@pytest.mark.parametrize("ahead", [480.0, 86400.0])
def test_a_clock_that_was_ahead_for_a_moment_refuses_nothing_afterwards(
    sources: dict[str, Source], ahead: float
) -> None:
    limiter = RateLimiter()
    source = sources["hooks"]
    assert wait_for_rate(limiter, source, "192.0.2.1", NOW + ahead) == 0.0
    assert [wait_for_rate(limiter, source, "192.0.2.1", NOW) for _ in range(3)] == [0.0] * 3
    assert wait_for_rate(limiter, source, "192.0.2.1", NOW - 1.0) == pytest.approx(21.0)
