"""The bridge of this machine: its API is called in process, without a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import orjson

from bridge.api.context import ApiContext, ApiRequest, NothingStored, RawAnswer, StatusAnswer
from bridge.api.parameters import read_parameters, stream_parameters
from bridge.cli.bridge.local_problems import raise_as_here
from bridge.cli.bridge.transport import PAGE_ITEMS, Query, Shape, follow_pages
from bridge.cli.command_settings import settings_of
from bridge.cli.options import say_search_size
from bridge.cli.ui.progress import PROGRESS_ITEMS, progress_bar
from bridge.cli.usable_config import load_sources, load_usable
from bridge.core.advice import name_command
from bridge.core.audit import AuditAction
from bridge.core.errors import ConfigError
from bridge.core.model import JSON
from bridge.core.scopes import Scope
from bridge.services.overview.cached_overview import CachedValue
from bridge.services.usable_config import load_present

if TYPE_CHECKING:
    from bridge.api.endpoint import Endpoint
    from bridge.cli.bridge.transport import OperationDriver
    from bridge.config.settings import Settings
    from bridge.core.status import Overview
    from bridge.routing.model import Config, Source
    from bridge.services.exports import SubmissionList
    from bridge.services.rejects import RejectReview
    from bridge.store.db.database import Database
    from bridge.store.queries.filters import Filters

#: The modules of the resources whose paths do not begin with their name.
MODULES: Final = {"conditions": "status"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalContext(ApiContext):
    """Values for the requests of a command.

    `file`: the routes.yaml that it names. `routes` returns it, and raises `ConfigError` where it
    cannot be used. `platforms` also returns it, with the credentials of the local platform.
    """

    file: str | None
    routes: Callable[[], Config]
    platforms: Callable[[], Config]

    def check_names(self, **names: Any) -> None:
        """Raise `UnknownName` for a name that is neither in routes.yaml nor in the store.

        Where the file cannot be read, no name is refused.
        """
        from bridge.services.selection import check_names

        check_names(self.settings, self.store, **names)

    def load_sources(self) -> Mapping[str, Source]:
        """Return the sources of routes.yaml, or of the last good one; else none."""
        return load_sources(self.settings)

    def load_routes(self) -> Config:
        """Return routes.yaml. Raises `ConfigError` where it cannot be used."""
        return self.routes()

    def load_platforms(self) -> Config:
        """Return routes.yaml, with the credentials of the local platform."""
        return self.platforms()

    def make_reject_review(self, *, fetches_keys: bool = False) -> RejectReview:
        """Return the review of rejects: to look, by the last good routes.yaml where it cannot be
        used.
        """
        from bridge.cli.reject_review import make_review

        return make_review(self.file, to_look=not fetches_keys)

    @property
    def is_bounded(self) -> bool:
        """A command on the bridge's own machine has no limits."""
        return False

    @property
    def has_secrets(self) -> bool:
        """A person who can read the database and `.env` may see a secret."""
        return True

    def log_change(self, request: ApiRequest, change: AuditAction, subject: str | None) -> None:
        """Log nothing: the audit log has the change, and the terminal is the person's."""

    def track(self, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Show how many events are planned, where there are many."""
        return (
            progress_bar("plan", total) if total > PROGRESS_ITEMS else nullcontext(lambda _: None)
        )

    def note_search(self, filters: Filters, *, of_deliveries: bool) -> None:
        """Print how many bodies will be searched, where that takes long."""
        if self.store is not None:
            say_search_size(self.store, filters, of_deliveries=of_deliveries)


class LocalTransport:
    """Answers requests by the functions of the API, with all scopes. No number of items is too
    large. A resource is imported when it is used.
    """

    poll_seconds = 0.3

    def __init__(self, file: str | None, settings: Settings, database: Database | None) -> None:
        self._file = file
        self._settings = settings
        self._database = database
        self._context = LocalContext(
            settings=settings,
            store=database,
            config=lambda: self._config,
            overview=CachedValue(self._read_overview, settings.timings.overview_cache_seconds),
            file=file,
            routes=lambda: self._routes,
            platforms=lambda: self._platforms,
        )

    @property
    def url(self) -> str:
        """The URL of the private listener."""
        return self._settings.private_url

    def get(self, path: str, query: Query | None = None) -> Shape:
        """Return the JSON object that an endpoint answers."""
        answer = self._answer("GET", path, query or [])
        return dict(answer.body if isinstance(answer, StatusAnswer) else answer)

    def get_bytes(
        self,
        path: str,
        max_bytes: int,  # noqa: ARG002 - of the protocol
        query: Query | None = None,
    ) -> bytes:
        """Return the bytes that an endpoint answers, of any size."""
        answer = self._answer("GET", path, query or [])
        return answer.content if isinstance(answer, RawAnswer) else orjson.dumps(answer)

    def post(self, path: str, body: JSON | None = None) -> Shape:
        """Change something, in the name of the actor of the settings."""
        answer = self._answer("POST", path, [], body)
        return dict(answer.body if isinstance(answer, StatusAnswer) else answer)

    def delete(self, path: str) -> None:
        """Delete a record, in the name of the actor of the settings."""
        self._answer("DELETE", path, [])

    def list_pages(
        self,
        path: str,
        query: Query,
        limit: int,
        *,
        page_limit: int = PAGE_ITEMS,
        before: str | None = None,
    ) -> Iterator[Shape]:
        """Yield the parts of a list: its chunks, or its pages where it is not read by chunks."""
        endpoint, ids = find_endpoint("GET", path)
        if not endpoint.streams:
            yield from follow_pages(self.get, path, query, limit, page_limit, before)
            return
        start = [] if before is None else [("before", before)]
        full_query = [*query, ("limit", str(limit)), *start]
        with raise_as_here(), suppress(NothingStored):
            request = self._make_request(endpoint, ids, full_query, is_whole=True)
            answer: Any = endpoint.answer
            yield from answer.read_parts(self._context, request)

    def drive(self, body: Mapping[str, JSON]) -> OperationDriver:
        """Return how the command carries out an operation by itself."""
        from bridge.cli.bridge.local_operations import LocalOperations

        endpoint, ids = find_endpoint("POST", "/operations")
        request = replace(self._make_request(endpoint, ids, []), body={"mode": "dry_run", **body})
        return LocalOperations(self._context, self._file, request)

    @contextmanager
    def open_submissions(self, query: Query) -> Iterator[SubmissionList | None]:
        """Yield the form submissions, oldest first, and record the export."""
        from bridge.api.selection import read_filters
        from bridge.services.audit import record_done
        from bridge.services.exports import Submissions

        if self._database is None:
            yield None
            return
        endpoint, ids = find_endpoint("GET", "/submissions")
        with raise_as_here():
            request = self._make_request(endpoint, ids, query, is_whole=True)
            filters = read_filters(self._context, request)
        self._context.note_search(filters, of_deliveries=False)
        subject = f"submissions of {filters.source}" if filters.source else "submissions"
        record_done(self._database, AuditAction.EXPORTED, request.by, subject)
        yield Submissions(
            self._database, self._context.load_sources(), filters, request.values["limit"]
        )

    def explain_unset(self, source: str | None) -> Iterator[str]:
        """Yield which sources store no rejects because a secret is not set; of all, or of one."""
        for configured_source in self._context.make_reject_review().config.sources.values():
            if configured_source.missing is not None and source in (None, configured_source.name):
                which = (
                    f"{configured_source.name} that no other secret verifies"
                    if configured_source.secrets
                    else configured_source.name
                )
                yield (
                    f"Requests to source {which} are answered 503 and not stored, since its secret"
                    f" cannot be read: {configured_source.missing}.\nNext: set it in .env; no"
                    " restart is needed."
                )

    def find_mode_place(self, route: str) -> str | None:
        """Return where `mode` of a route is written."""
        from bridge.services.config_checks.written_routes import read_routes

        written = read_routes(self._config)
        written_route = written.routes.get(route)
        place = (
            None
            if written_route is None
            else written.report.places.get((*written_route.path, "mode"))
        )
        return None if place is None else f"{place.file}:{place.line}"

    def read_learned_secret(self, source: str) -> str:
        """Return the secret that a source received, or why it cannot be read."""
        from bridge.store.encryption import sealer_for_secrets
        from bridge.store.inbound import learned_secrets

        settings = settings_of(self._file, secrets=True)
        sealer = sealer_for_secrets(settings.encryption_keys, settings.secret_key)
        sealed = learned_secrets.find(self._context.database, source).sealed
        secret = learned_secrets.open_secret(sealer, source, sealed) if sealed else None
        return secret or "(encrypted with a key that is not set here)"

    def explain_empty(self, what: str, source: str | None = None) -> str:
        """Return how to send a first event."""
        sample = name_command("sample", source or self._any_source(), to=True)
        return f"No {what} yet.\nStart `{name_command('serve')}`, then send one: {sample}"

    def _any_source(self) -> str:
        """Return a source for a sample, with its secret if any has; "form" where there is none."""
        with suppress(ConfigError, ValueError):
            sources = self._routes.sources.values()
            return min(sources, key=lambda source: source.missing is not None).name
        return "form"

    @cached_property
    def _config(self) -> Config:
        return load_usable(self._settings)

    @cached_property
    def _routes(self) -> Config:
        return load_present(self._settings)

    @cached_property
    def _platforms(self) -> Config:
        from bridge.runtime.loaded_config import load_config

        return load_config(settings_of(self._file, secrets=True)).config

    def _read_overview(self) -> Overview:
        from bridge.monitoring.status import read_overview

        return read_overview(self._settings, self._database)

    def _answer(self, method: str, path: str, query: Query, body: JSON | None = None) -> Any:
        endpoint, ids = find_endpoint(method, path)
        with raise_as_here():
            request = self._make_request(endpoint, ids, query)
            return endpoint.answer(self._context, replace(request, body=body))

    def _make_request(
        self, endpoint: Endpoint, ids: Mapping[str, str], query: Query, *, is_whole: bool = False
    ) -> ApiRequest:
        from bridge.services.operations.execution import find_actor

        texts: dict[str, list[str]] = {}
        for name, text in query:
            texts.setdefault(name, []).append(text)
        parameters = stream_parameters(endpoint.parameters) if is_whole else endpoint.parameters
        return ApiRequest(
            token="",
            token_id="",
            actor=find_actor(self._settings),
            scopes=frozenset(Scope),
            values=read_parameters(texts, parameters),
            texts=texts,
            ids=ids,
        )


def find_endpoint(method: str, path: str) -> tuple[Endpoint, Mapping[str, str]]:
    """Return the endpoint of a path, with the variable parts of the path."""
    steps = path.split("/")[1:]
    for endpoint, template in _list_endpoints(MODULES.get(steps[0], steps[0])):
        if endpoint.method == method and len(template) == len(steps):
            pairs = list(zip(template, steps, strict=True))
            if all(name == step or name.startswith("{") for name, step in pairs):
                return endpoint, {
                    name.strip("{}"): unquote(step, errors="surrogateescape")
                    for name, step in pairs
                    if name.startswith("{")
                }
    raise LookupError(f"no endpoint: {method} {path}")


@cache
def _list_endpoints(module: str) -> Sequence[tuple[Endpoint, Sequence[str]]]:
    """Return the endpoints of a resource with the steps of their paths, exact ones first."""
    rows: Sequence[Endpoint] = import_module(f"bridge.api.resources.{module}").ENDPOINTS
    paths = [(endpoint, endpoint.path.split("/")[1:]) for endpoint in rows]
    return sorted(paths, key=lambda row: sum(step.startswith("{") for step in row[1]))
