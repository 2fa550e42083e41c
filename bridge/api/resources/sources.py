"""Sources, and the secrets that they learn from a sender."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from bridge.api.bodies import RequestBody, body_schema
from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint, ReadingTool
from bridge.api.parameters import MAX_NAME_CHARS
from bridge.api.problems import ApiProblem
from bridge.api.selection import find_name
from bridge.core.audit import AuditAction
from bridge.core.model import JSON
from bridge.core.scopes import Scope
from bridge.core.status import SourceStatus
from bridge.core.typos import suggest
from bridge.providers.model import SecretDelivery
from bridge.services.audit import new_entry
from bridge.services.bridge_checks.secret_use import SecretUse, list_secret_use
from bridge.services.lists import write_list
from bridge.services.records.bridge_records import LEARNING
from bridge.services.records.status_records import SOURCE
from bridge.services.rejects import complete_config
from bridge.store.inbound import learned_secrets

LEARN_SECONDS: Final = 600
MAX_LEARN_SECONDS: Final = 3600
LEARN_BODY: Final = RequestBody(
    "LearnRequest",
    body_schema(seconds={"type": "integer", "minimum": 0, "maximum": MAX_LEARN_SECONDS}),
)


def list_sources(context: ApiContext, _request: ApiRequest) -> Answer:
    """Return the sources of routes.yaml, and those that have events only."""
    describe = _make_view(context)
    return write_list(map(describe, context.overview.get().sources))


def show_source(context: ApiContext, request: ApiRequest) -> Answer:
    """Return one source."""
    sources = {source.name: source for source in context.overview.get().sources}
    return _make_view(context)(sources[find_name(request, "source", sources)])


def _make_view(context: ApiContext) -> Callable[[SourceStatus], dict[str, JSON]]:
    """Return the function that describes sources. It reads the use of all secrets once."""
    config = complete_config(context.settings, context.database, context.config())
    secrets: dict[str, list[SecretUse]] = {}
    for use in list_secret_use(context.settings, config.sources.values(), least=1):
        secrets.setdefault(use.source, []).append(use)

    def describe(status: SourceStatus) -> dict[str, JSON]:
        source = config.sources.get(status.name)
        return SOURCE.write(
            status,
            provider=source.provider.name if source else None,
            path=f"/hooks/{status.name}" if source else None,
            secrets=secrets.get(status.name, ()),
            routes=dict.fromkeys(route.name for route in config.routes_of(status.name)),
        )

    return describe


def show_learning(context: ApiContext, request: ApiRequest) -> Answer:
    """Return until when a source may receive its secret, and when it last received one."""
    return _describe_learning(context, request.ids["name"], _find_delivery(context, request))


def allow_learning(context: ApiContext, request: ApiRequest) -> Answer:
    """Let a source receive its secret from the sender, once.

    0 seconds end that, as clients of version 0.2 ask for it.
    """
    name = request.ids["name"]
    delivery = _find_delivery(context, request)
    if delivery.shown and not context.has_secrets:
        raise ApiProblem(
            "invalid_parameter",
            f"the secret of {name} must be entered at the sender: use `flowbridge learn {name}`"
            " on the bridge's machine, which shows it",
        )
    seconds = request.body.get("seconds", LEARN_SECONDS)
    if not seconds:
        return _change_learning(context, request, delivery, AuditAction.LEARNING_ENDED, None)
    until = time.time() + seconds
    return _change_learning(context, request, delivery, AuditAction.LEARNING_ALLOWED, until)


def end_learning(context: ApiContext, request: ApiRequest) -> Answer:
    """Let a source receive no secret any more."""
    delivery = _find_delivery(context, request)
    return _change_learning(context, request, delivery, AuditAction.LEARNING_ENDED, None)


def _change_learning(
    context: ApiContext,
    request: ApiRequest,
    delivery: SecretDelivery,
    action: AuditAction,
    until: float | None,
) -> Answer:
    name = request.ids["name"]
    entry = new_entry(action, request.by, name)
    learned_secrets.allow_learning(context.database, name, until, entry)
    context.log_change(request, action, name)
    return _describe_learning(context, name, delivery)


def _describe_learning(context: ApiContext, name: str, delivery: SecretDelivery) -> dict[str, JSON]:
    learning = learned_secrets.find(context.database, name)
    is_open = learning.until is not None and learning.until > time.time()
    return LEARNING.write(
        learning,
        source=name,
        path=f"/hooks/{name}",
        url=f"{context.settings.public_url or context.settings.bound_url}/hooks/{name}",
        until=learning.until if is_open else None,
        ask=delivery.ask,
        shown=delivery.shown,
    )


def _find_delivery(context: ApiContext, request: ApiRequest) -> SecretDelivery:
    name = request.ids["name"]
    sources = context.config().sources
    deliveries = {source.name: source.provider.learn for source in sources.values()}
    delivery = deliveries.get(name)
    if delivery is None and name in sources:
        title = sources[name].provider.title
        raise ApiProblem(
            "not_found", f"{title} does not deliver a secret: {name} uses the one in routes.yaml"
        )
    if delivery is None:
        names = [name for name, delivery in deliveries.items() if delivery is not None]
        raise ApiProblem(
            "not_found",
            f"no source {name[:100]!r} receives its secret from the sender;"
            f" {suggest(name[:MAX_NAME_CHARS], names)}those that do: {', '.join(names) or 'none'}",
        )
    return delivery


ENDPOINTS: Final = (
    Endpoint(
        path="/sources",
        summary="The sources, with what they received today.",
        answer=list_sources,
        tool=ReadingTool("Sources"),
        schema="SourceList",
    ),
    Endpoint(
        path="/sources/{name}",
        summary="One source.",
        answer=show_source,
        schema="Source",
    ),
    Endpoint(
        path="/sources/{name}/learn",
        summary="Until when a source may receive its secret.",
        answer=show_learning,
        schema="Learning",
        scope=Scope.ADMIN,
    ),
    Endpoint(
        method="POST",
        path="/sources/{name}/learn",
        summary="Lets a source receive its secret from the sender, once, for a limited time.",
        answer=allow_learning,
        body=LEARN_BODY,
        schema="Learning",
        scope=Scope.ADMIN,
    ),
    Endpoint(
        method="DELETE",
        path="/sources/{name}/learn",
        summary="Lets a source receive no secret any more.",
        answer=end_learning,
        schema="Learning",
        scope=Scope.ADMIN,
    ),
)
