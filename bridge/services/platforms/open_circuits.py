"""The platforms whose circuit is open: they are asked nothing until it may close."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from bridge.core.errors import BridgeError
from bridge.core.units import iso
from bridge.services.store_access import open_store

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.store.db.database import Database


def explain_open_circuits(database: Database, now: float) -> dict[str, str]:
    """Return, for each platform whose circuit is open, until when and why it is not asked."""
    from bridge.store.queue.throttling import read_circuits

    with database.read() as connection:
        circuits = read_circuits(connection)
    return {
        name: f"{name} is not asked: its circuit is open until {iso(circuit.open_until)}"
        + (f" ({circuit.reason})" if circuit.reason else "")
        for name, circuit in circuits.items()
        if circuit.state(now) == "open"
    }


def find_open_circuits(settings: Settings) -> dict[str, str]:
    """Return the same for the store of the settings; nothing where it cannot be read."""
    with suppress(BridgeError, OSError), open_store(settings) as database:
        return {} if database is None else explain_open_circuits(database, time.time())
    return {}
