"""An ASGI server of a test: it calls an application in this process, and records its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared_rules import create_app

from bridge.config.loader import load
from bridge.config.settings import Settings
from bridge.core.timings import Timings
from bridge.store.db.database import Database
from bridge.web.app_context import AppContext
from bridge.web.asgi_app import AsgiApp
from bridge.web.body_reader import BodyReader
from bridge.web.edge_parts import EXTENSION, EdgeParts

SERVER = ("127.0.0.1", 8080)
GONE: Mapping[str, Any] = {"type": "http.disconnect"}


def piece(data: bytes, *, more: bool = False) -> dict[str, Any]:
    """Return the message with bytes of a body."""
    return {"type": "http.request", "body": data, "more_body": more}


def scope_of(
    method: str,
    target: str,
    headers: Mapping[str, str] | None = None,
    *,
    server: tuple[str, int | None] | None = SERVER,
    client: tuple[str, int] | None = ("127.0.0.1", 50_000),
    version: str = "1.1",
) -> dict[str, Any]:
    """Return the scope of a request."""
    path, _, query = target.partition("?")
    given = {"host": "127.0.0.1", **(headers or {})}
    return {
        "type": "http",
        "http_version": version,
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
        "server": server,
        "client": client,
    }


@dataclass
class AsgiExchange:
    """One request with its answer.

    `pieces`: the messages that have arrived; the application waits after them. `sent` is set at
    each message of the application. While `is_stalled` the client reads nothing.
    """

    scope: dict[str, Any]
    pieces: Sequence[Mapping[str, Any]] = (piece(b""),)
    messages: list[Any] = field(default_factory=list)
    is_stalled: bool = False

    def __post_init__(self) -> None:
        self._arrived: asyncio.Queue[Any] = asyncio.Queue()
        self.sent = asyncio.Event()
        for one in self.pieces:
            self.arrive(one)

    def arrive(self, message: Mapping[str, Any]) -> None:
        """Let a message arrive."""
        self._arrived.put_nowait(message)

    async def call(self, app: AsgiApp) -> AsgiExchange:
        """Call the application, and return this exchange."""
        await app(self.scope, self._arrived.get, self._send)
        return self

    async def _send(self, message: Any) -> None:
        while self.is_stalled:
            await asyncio.sleep(0.001)
        self.messages.append(message)
        self.sent.set()

    @property
    def status(self) -> int:
        """The status of the answer; 0 without one."""
        return self.messages[0]["status"] if self.messages else 0

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(one.get("body", b"") for one in self.messages[1:])

    @property
    def is_whole(self) -> bool:
        """Whether the answer has its end."""
        return len(self.messages) > 1 and not self.messages[-1].get("more_body", False)


class AsgiBridge:
    """The application on a store of a test. `lived`: what its lifespan did."""

    def __init__(
        self, database: Database, folder: Path, routes: str, timings: Timings | None = None
    ) -> None:
        (folder / "routes.yaml").write_text(routes)
        config = load(folder / "routes.yaml", {}, strict_secrets=False)
        self.database = database
        settings = Settings(
            config=folder / "routes.yaml",
            data=folder / "data",
            database_url="",
            bind=SERVER,
            timings=timings or Timings(),
        )
        self.flask = create_app(
            AppContext(
                settings=settings, config=lambda: config, database=database, wake=lambda: None
            )
        )
        self.lived: list[str] = []
        self.app = AsgiApp(
            self.flask,
            settings,
            begin=lambda: self.lived.append("begin"),
            end=lambda: self.lived.append("end"),
        )

    @property
    def intake(self) -> BodyReader:
        """The budget of body bytes."""
        parts: EdgeParts = self.flask.extensions[EXTENSION]
        return parts.intake


class AsgiLifespan:
    """The lifespan of a server, as a context: begin, and end."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self.said: list[Any] = []

    async def __aenter__(self) -> AsgiLifespan:
        self._messages: asyncio.Queue[Any] = asyncio.Queue()
        self._answered = asyncio.Event()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}}
        self._task = asyncio.create_task(self._app(scope, self._messages.get, self._send))
        await self.tell("lifespan.startup")
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._task.done():
            await self.tell("lifespan.shutdown")
        await self._task

    async def tell(self, kind: str) -> None:
        """Send a message, and wait for the answer."""
        self._answered.clear()
        self._messages.put_nowait({"type": kind})
        await self._answered.wait()

    async def _send(self, message: Any) -> None:
        self.said.append(message)
        self._answered.set()
