"""When each secret of a source was last used, for sources that have several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.monitoring.counter_files import sum_counters
from bridge.monitoring.secret_use import LAST_USE, find_last_use
from bridge.services.bridge_checks.findings import CheckFinding

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Source

UNITS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretUse:
    """The use of one secret: its `place` of the `count` secrets of its source, from 1.

    `used_at`: when it last verified a request on the bridge's machine, None if never.
    """

    source: str
    place: int
    count: int
    not_after: float | None
    used_at: float | None


def list_secret_use(
    settings: Settings, sources: Iterable[Source], *, least: int = 2
) -> Iterator[SecretUse]:
    """Yield the use of each secret of the sources that have at least `least` of them."""
    times = sum_counters(settings.data).times(LAST_USE)
    for source in sources:
        for place, secret in enumerate(source.secrets if len(source.secrets) >= least else (), 1):
            yield SecretUse(
                source=source.name,
                place=place,
                count=len(source.secrets),
                not_after=secret.not_after,
                used_at=find_last_use(times, source.name, secret, settings.secret_key),
            )


def describe_secret_use(
    used: Iterable[SecretUse], now: float, machine: str = "this machine"
) -> Iterator[CheckFinding]:
    """Yield a finding for the use of each secret. `machine`: the one on which it was counted."""
    for use in used:
        when = (
            f"not used yet on {machine}"
            if use.used_at is None
            else f"last used {_format_age(now - use.used_at)} ago"
        )
        ended = ", ended (not_after)" if use.not_after is not None and use.not_after <= now else ""
        description = f"secret {use.place} of {use.count} {when}{ended}"
        yield CheckFinding("secret use", use.source, "-", description)


def _format_age(seconds: float) -> str:
    """Return a duration in its largest unit: `3 h`."""
    size, unit = next((pair for pair in UNITS if seconds >= pair[0]), UNITS[-1])
    return f"{max(0, int(seconds // size))} {unit}"
