"""The bridge of this machine, read from its store. See `services.authoring_reader`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bridge.cli.options import require_existing
from bridge.cli.usable_config import load_sources, load_usable
from bridge.core.errors import NotFound
from bridge.services.bridge_reader import Shape

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Config
    from bridge.store.db.database import Database


@dataclass
class LocalAuthoring:
    """Reads a bridge from its store, if there is one."""

    settings: Settings
    database: Database | None

    def list_types(self, source: str | None) -> Shape:
        """Return the event types of the newest events."""
        from bridge.services.event_types import list_types, types_json

        require_existing(self.settings, self.database, source=source)
        return types_json(list_types(self.database, source))

    def infer_schema(self, source: str, type_: str) -> Shape:
        """Return the schema of the bodies of a type."""
        from bridge.services.event_types import infer_schema

        require_existing(self.settings, self.database, source=source)
        if self.database is None:
            raise NotFound("nothing has been received yet")
        sources = load_sources(self.settings)
        return infer_schema(self.database, sources, source, type_).as_json()

    def compare_shadow(
        self, new: str, live: str | None, *, since: float, until: float | None
    ) -> Iterator[Shape]:
        """Yield the pages of a comparison, newest first."""
        from bridge.services.shadow_comparison import ShadowComparison
        from bridge.services.shadow_pairs import pair_routes
        from bridge.store.queries.filters import Filters

        require_existing(self.settings, self.database, route=new)
        pair = pair_routes(self._config, new, live)
        require_existing(self.settings, self.database, route=pair.live)
        if self.database is None:
            raise NotFound("nothing was received yet: there is no database")
        comparison = ShadowComparison(self.database, pair)
        wanted = Filters(since=since, until=until)
        before: int | None = None
        while True:
            page = comparison.read_page(wanted, before)
            yield comparison.describe_page(page)
            if page.before is None:
                return
            before = page.before

    def find_mode_place(self, route: str) -> str | None:
        """Return where `mode` of a route is written."""
        from bridge.services.config_checks.written_routes import read_routes

        written = read_routes(self._config)
        found = written.routes.get(route)
        place = None if found is None else written.report.places.get((*found.path, "mode"))
        return None if place is None else f"{place.file}:{place.line}"

    @cached_property
    def _config(self) -> Config:
        return load_usable(self.settings)
