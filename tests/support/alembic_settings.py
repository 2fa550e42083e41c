"""Points Alembic to the migrations of the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.config import Config

from bridge.store.migrations import upgrade


def scripts(connection: Any) -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(Path(upgrade.__file__).parent))
    settings.attributes["connection"] = connection
    return settings
