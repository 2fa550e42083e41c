"""Limits of sending an answer: a client that stops reading is disconnected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.core.timings import TIMINGS

ENDING_STALL_SECONDS: Final = 1.0  # for a client that reads nothing, once the receiver is to end


@dataclass(slots=True)
class AnswerLimits:
    """Limits of the answers of one receiver.

    A client that reads nothing for `stall_seconds` is disconnected. `is_ending`: the receiver is to
    end, so it waits `ENDING_STALL_SECONDS` at most, and streams stop.
    """

    stall_seconds: float = TIMINGS.answer_stall_seconds
    is_ending: bool = False
