"""The rows of the pages about the configuration, in two groups as in the navigation."""

from __future__ import annotations

from typing import Final

from bridge.core.scopes import Scope
from bridge.web.console.page_row import ConsolePage
from bridge.web.console.views import (
    configs,
    platforms,
    routes,
    runs,
    settings,
    shadow,
    sources,
)

CONFIG_PAGES: Final = (
    ConsolePage(path="/sources", view=sources.list_sources, label="Sources", icon="sources"),
    ConsolePage(path="/sources/<name>", view=sources.show_source),
    ConsolePage(
        path="/sources/<name>/learn",
        view=sources.allow_learning,
        scope=Scope.ADMIN,
        method="POST",
    ),
    ConsolePage(path="/routes", view=routes.list_routes, label="Routes", icon="routes"),
    ConsolePage(path="/routes/<name>", view=routes.show_route),
    ConsolePage(path="/routes/<name>/misses", view=routes.show_misses, scope=Scope.BODIES),
    ConsolePage(path="/routes/<name>/shadow", view=shadow.show_shadow),
    ConsolePage(
        path="/platforms", view=platforms.list_platforms, label="Platforms", icon="platforms"
    ),
    ConsolePage(path="/platforms/<name>", view=platforms.show_platform),
    ConsolePage(path="/platforms/<name>/flows", view=platforms.show_flows),
    ConsolePage(path="/runs", view=runs.open_runs),
    ConsolePage(path="/runs/end", view=runs.end_run, scope=Scope.ACT, method="POST"),
)

SETTINGS_PAGES: Final = (
    ConsolePage(path="/configs", view=configs.list_configs, label="Configurations", icon="configs"),
    ConsolePage(path="/configs/<hash>", view=configs.show_config),
    ConsolePage(path="/configs/diff", view=configs.compare_configs),
    ConsolePage(path="/settings", view=settings.show_settings, label="Settings", icon="settings"),
    ConsolePage(path="/settings/tokens", view=settings.add_token, scope=Scope.ADMIN, method="POST"),
    ConsolePage(
        path="/settings/tokens/<id>/remove",
        view=settings.remove_token,
        scope=Scope.ADMIN,
        method="POST",
    ),
)
