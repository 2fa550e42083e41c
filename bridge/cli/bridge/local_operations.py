"""Operations on the bridge of this machine: the command carries them out by itself."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from bridge.cli.bridge.local_problems import raise_as_here
from bridge.cli.command_settings import settings_of
from bridge.cli.usable_config import load_sources
from bridge.core.errors import BridgeError
from bridge.core.operations import THEN
from bridge.services.operations.execution import (
    begin_operation,
    do_items,
    find_resumable,
    resume_operation,
)
from bridge.services.records.operation_records import OPERATION_COUNT

if TYPE_CHECKING:
    from bridge.api.context import ApiContext, ApiRequest
    from bridge.api.resources.operations import CountedRequest
    from bridge.cli.bridge.transport import Shape
    from bridge.core.operations import Operation
    from bridge.routing.model import Config
    from bridge.store.operations.actions import ItemResult


class LocalOperations:
    """Counts and carries out an operation by the functions of the API. See `OperationDriver`."""

    def __init__(self, context: ApiContext, file: str | None, request: ApiRequest) -> None:
        self._context = context
        self._file = file
        self._request = request
        self._counted: CountedRequest | None = None
        self._handlers: Any = None  # makes the handler of the items

    def count(self) -> Shape:
        """Return the count of the items."""
        from bridge.api.resources.operations import count_request

        with raise_as_here():
            self._counted = count_request(self._context, self._request)
        return OPERATION_COUNT.write(self._counted.items)

    def propose(self) -> Shape:
        """Return the same count: the items are stored when a person has agreed."""
        return self.count() if self._counted is None else OPERATION_COUNT.write(self._counted.items)

    def begin(self) -> Operation:
        """Store the operation with its items."""
        if self._counted is None:
            raise BridgeError("nothing was counted")
        return begin_operation(
            self._context.database,
            self._counted.command.name,
            self._counted.items.ids,
            actor=self._request.actor,
            request=self._counted.stored,
        )

    def resume(
        self,
        operation: Operation,
        rate: str | None,  # noqa: ARG002 - of the protocol: it is that of `follow`
    ) -> Operation:
        """Store that the actor resumes the operation."""
        stored = find_resumable(self._context.database, operation.id)
        self._handlers = self._find_handlers(stored)  # an error comes before the store is changed
        return resume_operation(self._context.database, stored, actor=self._request.actor)

    def follow(self, operation: Operation, rate: str | None) -> Generator[Sequence[ItemResult]]:
        """Do the items that are left, and yield the outcomes of each commit."""
        database = self._context.database
        handlers = self._handlers or self._find_handlers(operation, self._find_routes())
        handler = handlers(database, operation)
        if operation.command != "erase":
            yield from do_items(database, operation, handler, rate)
            return
        from bridge.cli.actions.erase_cleanup import clean_up
        from bridge.store.inbound import blob_owners

        owned_before = blob_owners.owned_digests(database)
        try:
            yield from do_items(database, operation, handler, rate)
        finally:  # also where something could not be done
            clean_up(database, settings_of(self._file), owned_before)

    def stop(self, operation: Operation) -> None:
        """Return at once: the operation ends with its command."""

    def _find_routes(self) -> Config | None:
        """Return the current routes that counted the events of a replay, if they did."""
        counted = self._counted
        if (
            counted is None
            or counted.command.name != "replay"
            or counted.stored["how"].get("routes") == THEN
        ):
            return None
        return self._context.load_routes()

    def _find_handlers(self, operation: Operation, routes: Config | None = None) -> Any:
        """Return what makes the handler. `routes`: those of routes.yaml, if they are loaded."""
        from bridge.services.operations.handlers import make_handler

        # a reject is verified again, and what is stored of it is sealed
        settings = settings_of(self._file, secrets=operation.command == "readmit")
        sources = load_sources(settings) if operation.command == "erase" else {}
        return make_handler(settings, operation, sources, routes)
