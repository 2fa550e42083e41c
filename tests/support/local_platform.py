"""The local platform's API on a real store, without the processes that execute runs; `end` stands
for them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from flask.testing import FlaskClient
from records import make_local_run
from shared_rules import create_app

from bridge.config.settings import Settings
from bridge.core.local_runs import Input, LocalFlow, LocalRun, LocalState, RunResult
from bridge.routing.model import Config, LocalKey, Platform
from bridge.store.db.database import Database
from bridge.store.local import flows as local_flows
from bridge.store.local import runs
from bridge.store.local.platform_store import LocalPlatformStore
from bridge.web.app_context import AppContext

KEY = "local-key"
USER = "local-user"
BEARER = {"Authorization": f"Bearer {KEY}"}
AUTH = {**BEARER, "x-auth-key": USER}
NOW = 1700417191.102786
CREATED = "2023-11-19T18:06:31.102786+00:00"
GREET = (Input("name", "str", True), Input("greeting", "str", False, "Hello"))
FLOWS = (
    LocalFlow(
        id="echo",
        workbook="ready-made",
        description="Returns its inputs as outputs.",
        takes_any=True,
    ),
    LocalFlow(id="fail", workbook="ready-made"),
    LocalFlow(id="greet", workbook="flows.py", description="Greets someone.", inputs=GREET),
    LocalFlow(
        id="hook",
        workbook="flows.py",
        inputs=(Input("payload", "WebhookInput", True, None, "body"),),
    ),
    LocalFlow(
        id="parse", workbook="flows.py", inputs=(Input("table", "File", True, None, "file"),)
    ),
)


class Local:
    """`platform` may be changed between requests, as a new routes.yaml would."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        platform: Platform | None = None,
        **settings_changes: Any,
    ) -> None:
        self.database = database
        self.rung = 0
        self.platform = platform or Platform(name="local", type="local")
        database.write(lambda connection: local_flows.replace(connection, FLOWS, NOW))
        settings = Settings(
            config=folder / "routes.yaml",
            data=folder / "data",
            database_url="",
            bind=("127.0.0.1", 8080),
            local_api_key=KEY,
            local_user_id=USER,
            **settings_changes,
        )
        self.blobs = folder / "data" / "blobs"
        self.app = create_app(
            AppContext(settings=settings, config=self._config, database=database, wake=self._ring)
        )
        self.client: FlaskClient = self.app.test_client()
        self.runs = LocalPlatformStore(database, self._ring)

    def _ring(self) -> None:
        self.rung += 1

    def _config(self) -> Config:
        platforms = {self.platform.name: self.platform} if self.platform else {}
        return Config(sources={}, routes=(), flows={}, platforms=platforms, hash="", canonical="")

    def set(self, **changes: Any) -> None:
        """Change the platform."""
        self.platform = replace(self.platform, **changes)

    def get(
        self,
        path: str,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """GET with the user in the query, as the platform's own clients do."""
        query = {"user_id": USER, **(query or {})}
        return self.client.get(
            f"/api/v1/{path}",
            query_string=query,
            headers=dict(BEARER if headers is None else headers),
        )

    def post(
        self,
        path: str,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """POST JSON, or bytes as they are; the user is in x-auth-key."""
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        return self.client.post(
            f"/api/v1/{path}",
            data=data,
            query_string=dict(query or {}),
            headers=dict(AUTH if headers is None else headers),
        )

    def start(
        self,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """POST start_pipeline."""
        return self.post("start_pipeline", body, query, headers)

    def started(
        self,
        body: Any,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> LocalRun:
        """Start, and return the run that is kept."""
        answer = self.start(body, query, headers)
        assert answer.status_code == 200, answer.data
        run = self.runs.get(answer.json["run_id"])
        assert run is not None
        return run

    def inputs(self, body: Any, query: Mapping[str, Any] | None = None) -> Any:
        """Start, and return the inputs that the run is kept with."""
        return json.loads(self.started(body, query).inputs)

    def download(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Any:
        """POST for a file, and read it to its end."""
        with self.post(path, body, headers=headers) as answer:
            answer.get_data()
        return answer

    def count(self) -> int:
        """How many runs there are."""
        with self.database.read() as connection:
            return connection.exec_driver_sql("SELECT count(*) FROM local_run").scalar() or 0

    def keep(self, **changes: Any) -> LocalRun:
        """Keep a run as if it had been started at NOW."""
        run = make_local_run(id="run", user_id=USER, created_at=NOW)
        return self.runs.start(replace(run, **changes))

    def claim(self) -> list[str]:
        """Take all queued runs as a worker would."""
        return [
            run.id
            for run in self.database.write(lambda connection: runs.claim(connection, 99, NOW, "w"))
        ]

    def end(self, run_id: str, state: LocalState = LocalState.DONE, **result: Any) -> None:
        """End a run as a worker would, one second after NOW."""
        self.claim()
        ended = RunResult(state=state, **result)
        assert self.database.write(
            lambda connection: runs.finish(connection, run_id, ended, NOW + 1, "w")
        )


def key(
    name: str, secret: str, user_id: str | None = None, flows: set[str] | None = None
) -> LocalKey:
    """Return a key of routes.yaml."""
    import hashlib

    digest = hashlib.sha256(secret.encode()).hexdigest()
    return LocalKey(
        name=name, hash=digest, user_id=user_id, flows=None if flows is None else frozenset(flows)
    )
