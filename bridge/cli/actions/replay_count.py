"""Say before a replay which of the chosen events it plans again, and which not, and why."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.cli.actions.run import MANY
from bridge.cli.ui import output
from bridge.cli.ui.progress import bar

if TYPE_CHECKING:
    from bridge.store.db.database import Database
    from bridge.store.operations.actions import Replaying

REASONS_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Selection:
    """The events of a replay, and by reason how many others are left out, and how many of `ids` it
    will refuse.
    """

    ids: Sequence[str]
    not_replayed: Mapping[str, Mapping[str, int]]


def select_events(
    database: Database, replaying: Replaying, ids: Sequence[str], *, is_named: bool
) -> Selection:
    """Plan the events without storing anything, say which are not replayed, and return the others.

    Events that a person named (`is_named`) are never left out: the replay itself refuses those that
    it cannot plan.
    """
    from bridge.store.operations.replay_forecast import forecast_replay

    if len(ids) > MANY:
        with bar("plan", len(ids)) as advance:
            found = forecast_replay(database, replaying, ids, time.time(), advance)
    else:
        found = forecast_replay(database, replaying, ids, time.time())
    left_out = found.left_out
    refused = found.refused
    if is_named:
        left_out, refused = {}, Counter(left_out) + Counter(refused)
    _say("left out", left_out)
    _say("refused", refused)
    return Selection(
        ids if is_named else found.ids, {"left_out": dict(left_out), "refused": dict(refused)}
    )


def _say(what: str, counts: Mapping[str, int]) -> None:
    ranked = Counter(counts).most_common()
    for reason, count in ranked[:REASONS_SHOWN]:
        output.say(f"{_events(count)} {what}: {output.clean(reason)}")
    if rest := sum(count for _, count in ranked[REASONS_SHOWN:]):
        output.say(f"{_events(rest)} {what} for other reasons")


def _events(count: int) -> str:
    return f"{output.number(count, 'event')} {'is' if count == 1 else 'are'}"
