"""Findings about the secrets of a source that has several: when each was last used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from bridge.monitoring.counters import sum_counters
from bridge.monitoring.secret_use import LAST_USE, find_last_use
from bridge.services.bridge_checks.findings import CheckFinding

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Source

UNITS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def find_secret_use(
    settings: Settings, sources: Iterable[Source], now: float
) -> Iterator[CheckFinding]:
    """Yield a finding for each secret of a source with several.

    The times are those of this machine's receivers.
    """
    times = sum_counters(settings.data).times(LAST_USE)
    for source in sources:
        for place, secret in enumerate(source.secrets if len(source.secrets) > 1 else (), 1):
            at = find_last_use(times, source.name, secret, settings.secret_key)
            used = "not used yet on this machine" if at is None else f"last used {_ago(now - at)}"
            is_over = secret.not_after is not None and secret.not_after <= now
            ended = ", ended (not_after)" if is_over else ""
            yield CheckFinding(
                "secret use",
                source.name,
                "-",
                f"secret {place} of {len(source.secrets)} {used}{ended}",
            )


def _ago(seconds: float) -> str:
    """Return how long ago in its largest unit: `3 h ago`."""
    size, unit = next((each for each in UNITS if seconds >= each[0]), UNITS[-1])
    return f"{max(0, int(seconds // size))} {unit} ago"
