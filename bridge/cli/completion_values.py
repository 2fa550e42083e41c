"""The names and ids that a shell completes, from routes.yaml and the store.

A completion that fails completes nothing: a shell has no place for an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from bridge.config.settings import Settings

MAX_COMPLETED_IDS: Final = 50  # of the newest events or deliveries

Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]


def _completer(list_items: Callable[[Settings, str], Iterable[tuple[str, str]]]) -> Complete:
    """Return a completion of the values, each with a description, that start with the text."""

    def complete(ctx: click.Context, _param: click.Parameter, text: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        try:
            pairs = list_items(_find_settings(ctx), text)
            return [
                CompletionItem(value, help=what) for value, what in pairs if value.startswith(text)
            ]
        except Exception:
            return []

    return complete


def _find_settings(ctx: click.Context) -> Settings:
    import os

    from bridge.config.settings import load_settings

    config = ctx.find_root().params.get("config") or os.environ.get("FLOWBRIDGE_CONFIG")
    return load_settings(os.environ, config=config, secrets=False)


def _list_sources(settings: Settings, _text: str) -> Iterable[tuple[str, str]]:
    from bridge.services.usable_config import load_present

    return [
        (source.name, source.provider.name) for source in load_present(settings).sources.values()
    ]


def _list_routes(settings: Settings, _text: str) -> Iterable[tuple[str, str]]:
    from bridge.services.usable_config import load_present

    return {
        route.name: " ".join(("on", route.source, ", ".join(route.types))).rstrip()
        for route in load_present(settings).routes
    }.items()


def _list_providers(_settings: Settings, _text: str) -> Iterable[tuple[str, str]]:
    from bridge.providers.registry import PROVIDERS

    return [(provider.name, provider.title) for provider in PROVIDERS.values()]


def _list_senders(settings: Settings, text: str) -> Iterable[tuple[str, str]]:
    """Return the sources, and the providers."""
    sources: dict[str, str] = {}
    if settings.config.exists():
        sources = dict(_list_sources(settings, text))
    return (dict(_list_providers(settings, text)) | sources).items()


def _list_ids(settings: Settings, text: str) -> Iterable[tuple[str, str]]:
    """Return the ids of the newest events, or of deliveries where one has been begun."""
    from bridge.services.store_access import open_store
    from bridge.store.queries import events
    from bridge.store.queries.filters import Filters

    with open_store(settings) as database:
        if database is None:
            return []
        if text.startswith("dlv_"):
            newest = events.list_deliveries(database, Filters(), MAX_COMPLETED_IDS)
            return [(delivery.id, f"{delivery.route} {delivery.status}") for delivery in newest]
        return [
            (event.id, f"{event.source} {event.type or ''}".rstrip())
            for event, _ in events.list_events(database, Filters(), MAX_COMPLETED_IDS)
        ]


complete_sources: Final = _completer(_list_sources)
complete_routes: Final = _completer(_list_routes)
complete_providers: Final = _completer(_list_providers)
complete_senders: Final = _completer(_list_senders)
complete_ids: Final = _completer(_list_ids)
