"""The events of a replay, with a note of those that are left out or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from bridge.cli.actions.run import PROGRESS_ITEMS
from bridge.cli.ui import output
from bridge.cli.ui.progress import progress_bar
from bridge.services.operations import ReplaySelection, select_replay

if TYPE_CHECKING:
    from bridge.store.db.database import Database
    from bridge.store.operations.replay import ReplayHandler

REASONS_SHOWN: Final = 5


def select_events(
    database: Database, replaying: ReplayHandler, ids: Sequence[str], *, is_named: bool
) -> ReplaySelection:
    """Select the events of a replay, and print which are left out or refused, and which routes."""
    if len(ids) > PROGRESS_ITEMS:
        with progress_bar("plan", len(ids)) as advance:
            found = select_replay(database, replaying, ids, is_named=is_named, advance=advance)
    else:
        found = select_replay(database, replaying, ids, is_named=is_named)
    _say("left out", found.left_out)
    _say("refused", found.refused)
    for route, count in Counter(found.skipped).most_common(REASONS_SHOWN):
        output.say(
            f"{_events(count)} not planned through {output.clean(route)}: no delivery of it"
            " matches, or it was replayed since"
        )
    return found


def _say(what: str, counts: Mapping[str, int]) -> None:
    ranked = Counter(counts).most_common()
    for reason, count in ranked[:REASONS_SHOWN]:
        output.say(f"{_events(count)} {what}: {output.clean(reason)}")
    if rest := sum(count for _, count in ranked[REASONS_SHOWN:]):
        output.say(f"{_events(rest)} {what} for other reasons")


def _events(count: int) -> str:
    return f"{output.number(count, 'event')} {'is' if count == 1 else 'are'}"
