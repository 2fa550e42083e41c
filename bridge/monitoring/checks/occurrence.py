"""The result of a health check, and how its texts write numbers. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from bridge.core.advice import Advice
from bridge.core.units import DAY, write_time

SEE_LOG = "or look at the log of its service"
READING_SECONDS: Final = 3600.0  # until a person types the command that was read


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One occurrence of a condition: what was found, and the next step (`do`).

    `subject`: the source, route, platform or host that has it; empty where there is only one.
    """

    what: str
    do: Advice
    subject: str = ""


def format_deliveries(count: int, counted_to: int) -> str:
    """Return a number of deliveries; with a plus where counting stopped."""
    text = f"{count}+" if count >= counted_to else str(count)
    return f"{text} {'delivery' if count == 1 else 'deliveries'}"


def format_clock(at: float | None) -> str:
    """Return the time of day in UTC."""
    return write_time(at or 0.0, "%H:%M:%SZ")


def find_since(now: float, received_at: float | None) -> str:
    """Return the value of `since`, in days, that still selects an event in an hour.

    Filters are of the time of receipt, and what ended today can have come long before.
    """
    age = now + READING_SECONDS - (now if received_at is None else received_at)
    return f"{max(math.ceil(age / DAY), 1)}d"


def format_bytes(count: int) -> str:
    """Return a number of bytes in MiB or GiB."""
    return f"{count / 1024**3:.1f} GiB" if count >= 1024**3 else f"{count / 1024**2:.1f} MiB"
